"""When something settles in training, seen at a few steps only, and which of two things comes first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from helpers.statistics import Estimate

Values = Sequence[float] | np.ndarray | pd.Series  # one for each step
SETTLED, HALF = 0.9, 0.5  # of the way from chance to the final value
TOGETHER = 1.0  # an interval that holds zero and is within so many octaves on both sides counts as "together"
Verdict = Literal["before", "after", "together", "undecided"]


def progress(values: Values, chance: Values | float = 0.0) -> np.ndarray:
    """How far a measure has come: 0 at chance, 1 at its final value.

    Args:
        values: by step, the finished model's last.
        chance: what chance gives, at each step or at all.

    Raises:
        ValueError: if the final value isn't above chance, so that there is no way to go.
    """
    beyond = np.asarray(values, float) - np.asarray(chance, float)
    if not beyond[-1] > 0:
        raise ValueError(f"the final value is {beyond[-1]:.3g} beyond chance; there is no way to measure")
    return beyond / beyond[-1]


def converged(steps: Sequence[int], way: Values, share: float = SETTLED) -> tuple[int, int]:
    """The two checkpoints between which a measure settles.

    Args:
        way: of `progress`.
        share: it is settled from the first step from which it stays at this share of the way or above.

    Returns:
        The last checkpoint that isn't settled (0 if all are), and the first that is.
    """
    _same_length(steps, way)
    below = [n for n, value in enumerate(way) if not value >= share]
    first = below[-1] + 1 if below else 0
    if first == len(steps):
        raise ValueError(f"the last value is {way[-1]:.3g}, below the share of {share}: was it made by progress()?")
    return (int(steps[first - 1]) if first else 0), int(steps[first])


def midpoint_step(steps: Sequence[int], way: Values, share: float = HALF) -> float:
    """The step at which a measure has gone half of its way for good, interpolated on a logarithmic axis of steps.

    Where it has at the first checkpoint already, that checkpoint's step: it may have been earlier.
    """
    low, high = converged(steps, way, share)
    if not low:
        return float(high)
    places = [list(steps).index(step) for step in (low, high)]
    start, end = (way[n] for n in places)
    part = (share - start) / (end - start)
    return math.exp((1 - part) * math.log(low) + part * math.log(high))


def trajectories(part: pd.DataFrame) -> dict[str, np.ndarray]:
    """The progress of a task's ``answers``, of its ``margin`` (the logit difference) and of its ``edges``.

    Args:
        part: rows of one run and task, by step, with columns ``accuracy, logit_diff, same, relabelled``.
    """
    return {
        "answers": progress(part.accuracy),
        "margin": progress(part.logit_diff),
        "edges": progress(part.same, part.relabelled),
    }


def jump(steps: Sequence[int], *measures: Values, low: float = 0.1, high: float = 0.5) -> tuple[int, int] | None:
    """The two neighbouring checkpoints between which all measures go from below ``low`` to above ``high``, if any."""
    for n in range(len(steps) - 1):
        before, after = ([list(values)[m] for values in measures] for m in (n, n + 1))
        if max(before) < low and min(after) > high:
            return int(steps[n]), int(steps[n + 1])
    return None


def timing(table: pd.DataFrame) -> pd.DataFrame:
    """When each task's answers, edge set and edge ranks settle, and how much later the edges are.

    Args:
        table: rows of one run with columns ``task, step, accuracy, logit_diff, same, relabelled``.

    Returns:
        A row for each task: for ``answers``, ``margin`` (the logit difference) and ``edges`` the interval in which it
        settles (``... from``, ``... to``), the step half-way (``... half``) and the first checkpoint behind it
        (``... half by``); ``lag``, ``margin lag``: octaves
        (doublings of the step) from half-way answers (or margin) to half-way edges; positive: the edges come later.
    """
    rows = {}
    for task, part in table.sort_values("step").groupby("task", sort=False):
        steps, row = part.step.tolist(), {}
        for name, way in trajectories(part).items():
            row[f"{name} from"], row[f"{name} to"] = converged(steps, way)
            row[f"{name} half"], row[f"{name} half by"] = midpoint_step(steps, way), converged(steps, way, HALF)[1]
        row["lag"] = math.log2(row["edges half"] / row["answers half"])
        row["margin lag"] = math.log2(row["edges half"] / row["margin half"])
        rows[task] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def order(lag: Estimate) -> Verdict:
    """Which comes first, from a mean lag with its interval: the edges ``"before"`` the answers, ``"after"``, ...

    ``"together"``: the interval holds zero and is within an octave of it; ``"undecided"``: it holds zero and more.
    """
    if lag.low > 0 or lag.high < 0:
        return "after" if lag.low > 0 else "before"
    return "together" if max(-lag.low, lag.high) <= TOGETHER else "undecided"


def _same_length(steps: Sequence[int], way: Values) -> None:
    if len(steps) != len(way) or list(steps) != sorted(set(steps)):
        raise ValueError(f"steps must rise, one for each value; given are {list(steps)} and {len(way)} values")
