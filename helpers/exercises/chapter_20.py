"""Checks of the exercises in *Which search should one trust?*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect, number

SHARES = (0.0, 0.1, 0.4, 1.0)
KEPT = ((0.0, 0.5, 0.8, 1.0), (0.0, 1.3, 1.2, 1.0), (-0.2, 0.6, 1.1, 1.0))


@check
def areas(both: Callable[[Sequence[float], Sequence[float]], tuple[float, float]]) -> None:
    """``both(shares, kept)`` gives CPR and CMD: the areas under faithfulness, and between it and 1."""
    shares = np.array(SHARES)
    for kept in map(np.array, KEPT):
        given = attempted(both(shares.copy(), kept.copy()))
        expect(isinstance(given, tuple | list) and len(given) == 2, "return two numbers, CPR and CMD.")
        cpr, cmd = map(number, given)
        right = {"CPR": np.trapezoid(kept, shares), "CMD": np.trapezoid(abs(1 - kept), shares)}
        answer = Compared(cpr, right["CPR"])
        answer.isnt(kept.mean(), "the sizes aren't equally far apart: an area needs their distances.")
        answer.isnt((kept[1:] * np.diff(shares)).sum(), "between two sizes the curve is a slope and not a step.")
        answer.is_right(f"the area under {kept.tolist()} is {right['CPR']:.3f}, not {cpr:.3f}.")
        answer = Compared(cmd, right["CMD"])
        answer.isnt(1 - right["CPR"], "where the curve is above 1, its distance to 1 counts, too.")
        answer.isnt(np.trapezoid((1 - kept).clip(0), shares), "what lies above 1 is a distance, too.")
        answer.is_right(f"the area between {kept.tolist()} and 1 is {right['CMD']:.3f}, not {cmd:.3f}.")


@check
def corrected(score: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """``score(clean, cut, gradient)`` is AtP*'s estimate for an edge into a query.

    From the attention scores ``[query, key]`` in the clean run and with the edge cut, and the metric's gradient at the
    attention probabilities of the clean run.
    """
    clean = torch.tensor([[9.0, 1.0, 0.0], [0.5, 1.5, -1.0]])
    gradient = torch.tensor([[2.0, -1.0, 0.0], [0.3, 1.0, -0.5]])
    for cut in (clean.flip(1), clean * 0.5 - 1, clean + torch.tensor([[0.0, 8.5, 0.0], [2.0, 0.0, 0.0]])):
        given = number(attempted(score(clean.clone(), cut.clone(), gradient.clone())))
        before, after = clean.softmax(-1), cut.softmax(-1)
        exact = ((before - after) * gradient).sum()
        answer = Compared(given, float(exact), atol=1e-4)
        answer.isnt(-float(exact), "a score is what the edge helps, so it is the clean run's minus the cut one's.")
        answer.isnt(
            float(((clean - cut) * gradient).sum()), "the gradient is that at the probabilities; take a softmax."
        )
        slope = before * (gradient - (before * gradient).sum(-1, keepdim=True))
        answer.isnt(float(((clean - cut) * slope).sum()), "that is what EAP does: it continues the softmax's tangent.")
        over_queries = (clean.softmax(0) - cut.softmax(0)) * gradient
        answer.isnt(float(over_queries.sum()), "the probabilities of each query's *keys* add up to 1.")
        answer.isnt(float(exact) / len(clean), "every query counts; add them up.")
        answer.is_right(f"here it is {float(exact):.3f}, not {given:.3f}.")


@check
def enough(steps_needed: Callable[[Mapping[int, Sequence[float]], Sequence[float]], int | None]) -> None:
    """``steps_needed(scores, exact)`` is the fewest steps from which on all tried ones have the exact order.

    ``scores`` maps numbers of steps to what a search says of the same edges; if there is none, it is ``"never"``.
    """
    exact = [1.2, 1.0, 0.8, 0.6]
    right, wrong, close = [12.0, 10.0, 8.0, 6.0], [1.2, 1.0, 0.6, 0.8], [1.3, 0.9, 0.8, 0.2]
    cases = (
        ({5: wrong, 20: right, 50: right, 200: close}, 20),
        ({5: right, 20: wrong, 50: close, 200: right}, 50),
        ({200: right, 5: wrong, 50: wrong}, 200),
        ({5: right, 50: wrong}, "never"),
    )
    for scores, fewest in cases:
        given = attempted(steps_needed({n: list(row) for n, row in scores.items()}, list(exact)))
        orders = {n: sorted(range(4), key=lambda i, row=row: -row[i]) for n, row in scores.items()}
        first = min((n for n, order in orders.items() if order == [0, 1, 2, 3]), default="never")
        expect(given == fewest or given != first, f"in {scores} more steps than {first} go wrong again.")
        expect(given == fewest, f"in {scores}, the exact order being {exact}, it is {fewest}, not {given}.")
