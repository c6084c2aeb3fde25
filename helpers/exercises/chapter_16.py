"""Checks of the exercises in *How circuits form*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helpers.circuits.evaluation import faithfulness
from helpers.components.head_classes import LETTERS
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig

STEPS = (100, 200, 400, 800, 1600)
WAYS = (
    (0.0, 0.4, 0.95, 0.97, 1.0),
    (0.2, 0.95, 0.6, 0.92, 1.0),
    (0.0, 0.1, 0.2, 0.3, 1.0),
    (0.95, 0.9, 0.9, 1.1, 1.0),
    (0.92, 0.5, 0.96, 0.85, 1.0),
)
SHARE = 0.9


def ways_to_settle(way: Sequence[float]) -> dict[str, int]:
    """The right step, and those that plausible mistakes give."""
    enough = [value >= SHARE for value in way]
    below = [n for n, good in enumerate(enough) if not good]
    right = below[-1] + 1 if below else 0
    above = [n for n, value in enumerate(way) if not value > SHARE]
    return {
        "right": STEPS[right],
        "first": STEPS[enough.index(True)],
        "last": STEPS[below[-1]] if below else 0,
        "more": STEPS[above[-1] + 1] if above else STEPS[0],
    }


@check
def settles(function: Callable[[Sequence[int], Sequence[float]], int]) -> None:
    """``function(steps, way)`` is the first step from which the way stays at nine tenths or above."""
    for way in WAYS:
        given = attempted(function(list(STEPS), list(way)))
        truth = ways_to_settle(way)
        good = given == truth["right"]
        expect(good or given != truth["first"], f"in {way} it falls back below later: it has to stay.")
        expect(good or given != truth["last"], f"in {way} that is the last step that isn't settled yet.")
        expect(good or given != truth["more"], "exactly nine tenths are enough.")
        expect(good, f"in {way} it is {truth['right']}, not {given}.")


FULL = {letter: name for name, letter in LETTERS.items()}
NAMINGS = [
    tuple([FULL[letter] for letter in letters] for letters in couple)
    for couple in (("xm-xr-x", "m-rm--x"), ("x-r-r-x", "-mrrr-m"), ("r--m-m-", "xmmm--x"))
]


def shares_there(early: Sequence[str], final: Sequence[str]) -> dict[str, float]:
    """The right share, and those that plausible mistakes give."""
    pairs = list(zip(early, final, strict=True))
    same = sum(a == b != "none" for a, b in pairs)
    any_class = sum(a != "none" and b != "none" for a, b in pairs)
    there, wanted = (sum(name != "none" for name in names) for names in (early, final))
    either = sum((a, b) != ("none", "none") for a, b in pairs)
    return {
        "right": same / wanted,
        "with none": sum(a == b for a, b in pairs) / len(pairs),
        "any": any_class / wanted,
        "kept": same / there,
        "jaccard": same / either,
    }


@check
def already(function: Callable[[Sequence[str], Sequence[str]], float]) -> None:
    """``function(early, final)``: of the heads that have a name at the end, the share that had the same name early."""
    for early, final in NAMINGS:
        given, truth = float(attempted(function(early, final))), shares_there(early, final)

        answer, case = Compared(given, truth["right"]), f"for {early} and {final}"
        answer.isnt(truth["with none"], f"{case} you count heads without a name: leave 'none' out.")
        answer.isnt(truth["any"], f"{case} another name isn't the same name.")
        answer.isnt(truth["kept"], f"{case} that is the share of the early heads that keep their names.")
        answer.isnt(truth["jaccard"], f"{case} divide by the heads that have a name at the end only.")
        answer.is_right(f"{case} it is {truth['right']:.3f}, not {given:.3f}.")


SIZE = 60


def transfers(early, last, train: PromptPairs, test: PromptPairs) -> dict[str, float]:
    """Faithfulness of an early circuit's edges in the finished model, and what plausible mistakes give."""
    first, final = (eap_ig(m, train).greedy(SIZE) for m in (early, last))
    return {
        "right": float(faithfulness(last, first, test)),
        "early": float(faithfulness(early, first, test)),
        "own": float(faithfulness(last, final, test)),
        "back": float(faithfulness(early, final, test)),
        "train": float(faithfulness(last, first, train)),
    }


@check
def carries(function: Callable[..., float], early, last, train: PromptPairs, test: PromptPairs) -> None:
    """``function(early, last, train, test)``: what an early circuit of 60 edges keeps in the finished model."""
    given, truth = float(attempted(function(early, last, train, test))), transfers(early, last, train, test)

    answer = Compared(given, truth["right"], 2e-3)
    answer.isnt(truth["early"], "the circuit is judged in the early model; judge it in the finished one.")
    answer.isnt(truth["own"], "that circuit was found in the finished model; find it in the early one.")
    answer.isnt(truth["back"], "that is the way back: the finished model's edges in the early model.")
    answer.isnt(truth["train"], "judge it on the test pairs: on the train pairs it was found.")
    answer.is_right(f"it is {truth['right']:.3f}, not {given:.3f}; {SIZE} edges, chosen with greedy()?")
