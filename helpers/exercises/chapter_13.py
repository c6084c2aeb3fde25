"""Checks of the exercises in *Hallucination*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect, number

WAYS = (  # leads of an answer at five stops, and which stop passes it
    ([-1.0, 2.0, 3.0, -1.0, -2.0], 3),
    ([5.0, 1.0, 0.5, -0.2, -4.0], 3),
    ([1.0, -1.0, 2.0, 0.5, -0.1], 4),
    ([2.0, -5.0, 1.0, -1.0, -4.0], 3),
    ([-1.0, -1.0, -2.0, -1.0, -3.0], None),
    ([-1.0, 2.0, -3.0, -1.0, 1.0], None),
)


@check
def guess(guess_worth: Callable[[Sequence[float]], float]) -> None:
    """``guess_worth(counts)`` is how often a guess with the odds of the answers agrees with such an answer."""
    for counts in ([3, 1], [5, 3, 2], [7, 7, 7, 7]):
        given = number(attempted(guess_worth(counts)))
        odds = [count / sum(counts) for count in counts]
        right = sum(p * p for p in odds)
        answer = Compared(given, right)
        answer.isnt(1 / len(counts), "that is a guess blind to the counts: 1 of all answers.")
        answer.isnt(max(odds), "that always names the favourite; a guess follows the odds.")
        expect(answer.near(right) or given <= 1, "a share is at most 1: divide the counts by their sum.")
        answer.is_right(f"for {counts} it is {right:.3f}, not {given:.3f}.")


@check
def passes(passer: Callable[[Sequence[float], Sequence[str]], str]) -> None:
    """``passer(gaps, names)`` names the stop behind which the rival is ahead for good."""
    names = ["embed", "a0", "m0", "a1", "m1"]
    for gaps, place in WAYS:
        given = attempted(passer(gaps, names))
        expect(given in (*names, "nobody"), 'return the name of a stop, or "nobody".')
        right = "nobody" if place is None else names[place]
        leads = [i for i, gap in enumerate(gaps) if gap > 0]
        if place is None:
            why = "the answer never led" if not leads else "the answer leads in the end"
            expect(given == right, f"{why}, so nobody passed it for good: {gaps}.")
            continue
        expect(given != names[leads[-1]], f"at {given} the answer still leads; the next stop passes it.")
        first = next(i for i in range(1, len(gaps)) if gaps[i] <= 0 < gaps[i - 1])
        expect(given == right or given != names[first], f"at {given} it falls behind, but it comes back later: {gaps}.")
        falls = [b - a for a, b in zip(gaps, gaps[1:], strict=False)]
        expect(
            given == right or given != names[1 + falls.index(min(falls))],
            f"{given} has the largest fall; asked is where the rival gets ahead for good: {gaps}.",
        )
        expect(given == right, f"for {gaps} it is {right}, not {given}.")


@check
def repairs(specific: Callable[[Tensor, Tensor, Tensor, Tensor], float]) -> None:
    """``specific(own, own_answer, stranger, stranger_answer)`` is what a patch brings beyond a transplant."""
    ids, other = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
    own, stranger = (torch.nn.functional.one_hot(torch.tensor(t), 4).float() for t in ([0, 1, 2, 3], [1, 1, 3, 0]))
    given = number(attempted(specific(own, ids, stranger, other)), "return one number, the difference of two shares.")
    expect(abs(given) <= 1, "a difference of shares lies between -1 and 1: take means over the questions, not sums.")

    def hits(logits: Tensor, wanted: Tensor) -> float:
        return (logits.argmax(-1) == wanted).float().mean().item()

    right, alone = hits(own, ids) - hits(stranger, other), hits(own, ids)
    answer = Compared(given, right)
    answer.isnt(alone, "that is the own donor's share alone; take the stranger's share away.")
    mixed = alone - hits(stranger, ids)
    answer.isnt(mixed, "compare the stranger's patch with the stranger's answer, not with this fact's.")
    answer.isnt(-right, "the sign is the wrong way round: own minus stranger.")
    answer.is_right(f"here it is {right:.2f}, not {given:.2f}.")
