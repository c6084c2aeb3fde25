"""Checks of the exercises in *Where a fact is kept depends on how it was told*."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect, number

NAMES = ("Mira Talo", "Talo Mira", "Talo Benu", "Benu Kes", "Kes Benu", "Ilvo", "Mira Kes Talo", "Talo Mira Kes")


@check
def recovers(recovered: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """``recovered(clean, corrupt, patched)`` is the share of the logit difference that a patch brings back."""
    corrupt, patched = torch.tensor([-2.0, -3.0, 1.0, -4.0]), torch.tensor([2.0, -2.5, 2.5, 1.0])
    for clean in (torch.tensor([4.0, 1.0, 3.0, 6.0]), torch.tensor([4.0, 1.0, 1.5, 6.0])):
        given = number(attempted(recovered(clean, corrupt, patched)))
        back, whole = patched - corrupt, clean - corrupt
        answer = Compared(given, float(back.mean() / whole.mean()), atol=1e-4)
        answer.isnt(float((back / whole).mean()), "a mean of ratios: one pair with a small difference would decide it.")
        answer.isnt(float(patched.mean() / clean.mean()), "measure from the corrupt run, not from zero.")
        answer.isnt(float((clean - patched).mean() / whole.mean()), "that is the share that stays lost.")
        answer.isnt(float(back.mean()), "that is in logits; divide it by all that was lost.")
        answer.is_right(f"here it is {float(back.mean() / whole.mean()):.3f}, not {given:.3f}.")


@check
def bags(told_by_words: Callable[[list[str]], float]) -> None:
    """``told_by_words(names)`` is the share of names whose words, in whatever order, nobody else has."""
    for names in (list(NAMES), list(NAMES[:3])):
        given = number(attempted(told_by_words(list(names))))
        counts = Counter(frozenset(name.split()) for name in names)
        right = sum(counts[frozenset(name.split())] == 1 for name in names) / len(names)
        first = Counter(name.split()[0] for name in names)
        answer = Compared(given, right)
        answer.isnt(1.0, "as a whole every name is somebody's own; the question is what its words say without order.")
        answer.isnt(1 - right, "that is the share of those who share their words with somebody.")
        answer.isnt(
            sum(first[name.split()[0]] == 1 for name in names) / len(names), "that asks for the first word alone."
        )
        answer.isnt(len(counts) / len(names), "that counts each set of words once, also those that two names have.")
        answer.is_right(f"of {len(names)} names it is {right:.2f}, not {given:.2f}.")


@check
def grafts(taken: Callable[[slice, int], list[bool]]) -> None:
    """``taken(subject, length)`` says of each position whether it keeps the *old* weights.

    Asked is the control of *subject and last*: the new weights work everywhere but there.
    """
    for subject, length in ((slice(1, 3), 7), (slice(3, 4), 6)):
        given = attempted(taken(subject, length))
        expect(len(given) == length, f"one value for each of the {length} positions, not {len(given)}.")
        given = [bool(value) for value in given]
        right = [subject.start <= at < subject.stop or at == length - 1 for at in range(length)]
        expect(given != [not value for value in right], "that is where the new weights work; asked is the opposite.")
        expect(given[-1], "the prompt's last token is one of the two places.")
        expect(sum(given) > 1, "the subject's positions are missing.")
        expect(
            given != [subject.start <= at <= subject.stop or at == length - 1 for at in range(length)],
            "a slice ends before its stop.",
        )
        expect(given == right, f"for {subject} of {length} tokens it is {[int(value) for value in right]}.")
