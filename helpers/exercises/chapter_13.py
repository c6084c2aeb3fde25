"""Checks of the exercises in *Hallucination*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

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
def chance(by_chance: Callable[[Sequence[str], Sequence[set[str]], np.random.Generator], float]) -> None:
    """``by_chance(said, true_of, rng)`` is how often answers are true of namesakes in one draw of chance."""
    said = ["Arfton"] * 6 + ["Belford", "Belford", "Corburg", "Dunmouth"]
    true_of = [{"Arfton"}] * 7 + [{"Belford"}, {"Corburg", "Arfton"}, {"Dunmouth"}]
    rng, n = np.random.default_rng(0), len(said)
    given = [number(attempted(by_chance(list(said), [set(t) for t in true_of], rng))) for _ in range(400)]
    expect(all(0 <= value <= 1 for value in given), "return a share: hits over the number of questions.")
    real = sum(word in theirs for word, theirs in zip(said, true_of, strict=True)) / n
    expect(
        len({round(value, 6) for value in given}) > 1,
        f"every draw gives {given[0]:.2f}"
        + ("; that is the real share, without any chance in it." if abs(given[0] - real) < 1e-9 else "; use rng."),
    )
    right = sum(word in theirs for word in said for theirs in true_of) / n**2
    words = sorted(set(said))
    blind = sum(word in theirs for word in words for theirs in true_of) / len(words) / n
    answer = Compared(float(np.mean(given)), right, atol=0.03)
    answer.isnt(
        blind, "all towns equally often: but some are said more often than others, and chance has to keep that."
    )
    answer.is_right(f"over many draws it is {right:.2f} here, not {np.mean(given):.2f}.")
