"""What the tables on competition say: one prediction against another, and steering, conflict by conflict.

Every subject stands once in a relation's conflicts, so drawing conflicts anew is drawing subjects anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from helpers.statistics import Estimate, bootstrap, roc_area, with_interval
from helpers.studies.competition.competition_table import DRAWS
from helpers.studies.verdicts import for_each

PERMUTED = tuple(f"permuted {n}" for n in range(DRAWS))
MODELS = {"smollm2": "SmolLM2", "atlas2": "Atlas", "atlas2-seed1": "Atlas, seed 1"}
WHO = {
    "start": ("start",),
    "heads permuted": PERMUTED,
    "two circuits": ("found",),
    "whole model": ("whole",),
}


def groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The conflicts of each model and relation, under a name for a figure."""
    ordered = [(model, part) for model in MODELS for _, part in table[table.model == model].groupby("relation")]
    return {f"{MODELS[model]}: {part.relation.iloc[0].replace('_', ' ')}": part for model, part in ordered}


def area_gain(part: pd.DataFrame, other: str, who: str = "two circuits") -> Estimate:
    """How much larger one prediction's area under the ROC curve is than another's, on the same resamples.

    Several draws of one opponent count by the mean of their areas.
    """
    truth = torch.tensor((part.measured > 0).to_numpy()).double()
    names = [*WHO[who], *WHO[other]]

    def gain(truth: torch.Tensor, *guesses: torch.Tensor) -> torch.Tensor:
        areas = [roc_area(guess, truth) for guess in guesses]
        ours = len(WHO[who])
        return sum(areas[:ours]) / ours - sum(areas[ours:]) / len(WHO[other])

    return bootstrap(gain, truth, *(torch.tensor(part[name].to_numpy()) for name in names))


def area(part: pd.DataFrame, who: str) -> Estimate:
    """A prediction's area under the ROC curve; for several draws, the mean of their areas."""
    truth = torch.tensor((part.measured > 0).to_numpy()).double()

    def mean(truth: torch.Tensor, *guesses: torch.Tensor) -> torch.Tensor:
        return sum(roc_area(guess, truth) for guess in guesses) / len(guesses)

    return bootstrap(mean, truth, *(torch.tensor(part[name].to_numpy()) for name in WHO[who]))


def moved(part: pd.DataFrame, circuits: Sequence[str]) -> Estimate:
    """By how much turning from copy to memory moves the share of conflicts with the memory ahead; mean over draws."""
    each = [(part[f"{c} > memory"] > 0).astype(float) - (part[f"{c} > copy"] > 0) for c in circuits]
    return with_interval((sum(each) / len(each)).tolist())


def moved_more(part: pd.DataFrame, others: Sequence[str]) -> Estimate:
    """How much more the found circuits move it than others, conflict by conflict."""

    def turned(c: str) -> pd.Series:
        return (part[f"{c} > memory"] > 0).astype(float) - (part[f"{c} > copy"] > 0)

    return with_interval((turned("found") - sum(map(turned, others)) / len(others)).tolist())


def above_zero(gains: Mapping[str, Estimate], name: str) -> str:
    """In how many of a model's sets an interval lies above zero; ``name`` is how the sets' names begin."""
    mine = [gain.low > 0 for each, gain in gains.items() if each.startswith(name)]
    return for_each(f"in {sum(mine)} of {len(mine)} sets", mine)


def ahead(heads: pd.DataFrame, side: str) -> tuple[float, float]:
    """In which share of the conflicts a side is ahead before and after a head is scaled."""
    rows = heads[heads.side == side]
    return rows.before.sum() / rows.conflicts.sum(), rows.wins.sum() / rows.conflicts.sum()
