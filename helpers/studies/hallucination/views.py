"""The chapter's numbers with their intervals: relations, or people, are drawn again with all their questions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network
from helpers.prompts.relations import Fact
from helpers.statistics import Estimate, bootstrap, roc_area
from helpers.studies.hallucination.contests import EQUAL, WRONG, contests, look, way_rows
from helpers.studies.hallucination.questions import fact_questions

SAMPLES = 300


def grouped_mean(
    values: Float[Tensor, " value"] | Iterable[float | int], groups: Iterable[Hashable] | None = None, *, seed: int = 0
) -> Estimate:
    """The mean of values with a percentile interval that draws whole groups again.

    For values that aren't independent within a group, such as questions about one fact in several wordings: drawing
    single values again would give too narrow an interval.

    Args:
        groups: to which group each value belongs; by default each is a group of its own.
    """
    sums, sizes = _by_group(values, groups)
    return bootstrap(lambda total, size: total.sum(-1) / size.sum(-1), sums, sizes, seed=seed)


def _by_group(
    values: Float[Tensor, " value"] | Iterable[float | int], groups: Iterable[Hashable] | None
) -> tuple[Float[Tensor, " group"], Float[Tensor, " group"]]:
    values = values if isinstance(values, Tensor) else torch.tensor(list(values), dtype=torch.float64)
    groups = range(len(values)) if groups is None else list(groups)
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    places = torch.tensor([number[group] for group in groups], dtype=torch.long)
    sums = torch.zeros(len(number), dtype=torch.float64).index_add(0, places, values.double().cpu())
    return sums, places.bincount().double()


def grouped_area(score: pd.Series, right: pd.Series, groups: pd.Series) -> Estimate:
    """The area under the ROC curve, with an interval that draws whole groups again."""
    score, right, rng = score.to_numpy(float), right.to_numpy(float), np.random.default_rng(0)
    places = [np.flatnonzero((groups == group).to_numpy()) for group in dict.fromkeys(groups)]

    def area(rows: np.ndarray) -> float:
        return float(roc_area(torch.from_numpy(score[rows]), torch.from_numpy(right[rows])))

    drawn = (rng.integers(len(places), size=len(places)) for _ in range(SAMPLES))
    areas = [area(np.concatenate([places[i] for i in draw])) for draw in drawn]
    return Estimate(area(np.arange(len(score))), *np.quantile(areas, [0.025, 0.975]).tolist())


def excess(ways: pd.DataFrame, column: str = "ahead", by: str = "relation", control: str = EQUAL) -> Estimate:
    """By how much more often right answers than those of a control were ahead, question by question."""
    own, other = (ways[ways.way == way] for way in (WRONG, control))
    gain = own[column].astype(float).to_numpy() - other[column].astype(float).to_numpy()
    return grouped_mean(gain, own[by])


def by_exposures(model, facts: Sequence[Fact], wordings: Sequence[int]) -> pd.DataFrame:
    """The ways of a relation's facts in Atlas (`contests.way_rows`), with ``subject`` and ``exposures``."""
    net, asked = read_network(model), fact_questions(model, facts, wordings)
    seen = look(net, asked)
    ways = way_rows(net, seen.last, contests(asked, net.unembed(seen.last[-1])))
    told = [asked[i].fact for i in ways.question]
    return ways.assign(subject=[fact.subject for fact in told], exposures=[fact.exposures for fact in told])
