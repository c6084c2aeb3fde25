"""How far a circuit's names and its work have come at a step, compared with the answers: all from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from helpers.statistics import Estimate, bootstrap
from helpers.studies.how_circuits_form.grafts import PARTS

MARGIN, NAMES, WORK = "margin", "names", "work"
NOTHING = "none"  # grafted


def gains(circuits: pd.DataFrame) -> pd.DataFrame:
    """What each task has at each step, beyond what chance gives.

    Args:
        circuits: of the table ``formation_circuits``.

    Returns:
        Columns ``run, step, group, task`` and, in logits and shares, ``margin``, ``names`` (the overlap with the
        finished circuit beyond that of head-permuted circuits) and ``work`` (what the edges keep in the finished model
        beyond head-permuted ones).
    """
    columns = {
        MARGIN: circuits.margin,
        NAMES: circuits.shared - circuits.shared_permuted,
        WORK: circuits.in_final - circuits.in_final_permuted,
    }
    return circuits[["run", "step", "group", "task"]].assign(**columns)


def of_end(own: pd.DataFrame, step: int, names: Sequence[str]) -> list[Tensor]:
    """For each of some columns: its values of all tasks at a step and at the end, in the same order."""
    parts = own.pivot(index="task", columns="step")
    last = max(own.step)
    return [torch.tensor(parts[name][at].to_numpy()) for name in names for at in (step, last)]


def progress(own: pd.DataFrame, step: int, name: str) -> Estimate:
    """How much of its final value something has at a step: a ratio of means over tasks, with their interval.

    Args:
        own: of `gains`, for one run.
    """
    return bootstrap(lambda now, end: now.mean(-1) / end.mean(-1), *of_end(own, step, [name]))


def ahead(own: pd.DataFrame, step: int, name: str) -> Estimate:
    """How far something's progress is ahead of the margin's at a step, with the interval over tasks."""

    def gap(now: Tensor, end: Tensor, margin: Tensor, margin_end: Tensor) -> Tensor:
        return now.mean(-1) / end.mean(-1) - margin.mean(-1) / margin_end.mean(-1)

    return bootstrap(gap, *of_end(own, step, [name, MARGIN]))


def regained(grafts: pd.DataFrame, parts: str, column: str = MARGIN) -> Estimate:
    """Of the growth between two steps, the share that a graft of some parts brings: a ratio of means over tasks.

    Args:
        grafts: of the table ``formation_grafts``, for one run and two steps.
        parts: as in its column of that name.
    """
    wide = grafts.pivot(index="task", columns="parts", values=column)
    values = (torch.tensor(wide[name].to_numpy()) for name in (parts, NOTHING, " + ".join(PARTS)))
    return bootstrap(lambda one, none, all_: (one - none).mean(-1) / (all_ - none).mean(-1), *values)
