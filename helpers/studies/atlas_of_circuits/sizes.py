"""How many edges relations need: sizes read off between those of a table, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from helpers.prompts.relations import relation
from helpers.statistics import SAMPLES, Estimate
from helpers.studies.asked_relations import REAL_MODEL
from helpers.studies.tables import read_table


def crossing(sizes: Sequence[float], kept: Sequence[float], share: float) -> float:
    """The size at which a rising curve crosses a share, read off between two sizes on a logarithmic axis.

    Returns:
        Infinity where even the largest size keeps less; the smallest size where it keeps more.
    """
    above = [n for n, value in enumerate(kept) if value >= share]
    if not above:
        return float("inf")
    n = above[0]
    if n == 0:
        return float(sizes[0])
    part = (share - kept[n - 1]) / (kept[n] - kept[n - 1])
    return float(sizes[n - 1] * (sizes[n] / sizes[n - 1]) ** part)


def real_sizes(share: float) -> pd.Series:
    """The edges that SmolLM2's relations need for a share of the logit difference on held-out pairs."""
    found = read_table("smollm2_circuits").query("circuit == 'found'").sort_values("edges")
    each = found.groupby("relation", sort=False)
    return each.apply(lambda rows: crossing(rows.edges.tolist(), rows.faithfulness.tolist(), share))


def needed_sizes(share: float) -> pd.DataFrame:
    """A row for each model, relation and half: ``model, relation, kind, half, needed``; SmolLM2 has one half."""
    table = read_table("map_circuits").dropna(subset="needed")
    real = real_sizes(share).rename("needed").reset_index()
    kinds = [relation(name).kind for name in real.relation]
    real = real.assign(model=REAL_MODEL, half="train", kind=kinds)
    return pd.concat([real, table], ignore_index=True)[["model", "relation", "kind", "half", "needed"]]


def resampled(statistic: Callable[[pd.DataFrame], float], table: pd.DataFrame, by: str = "", seed: int = 0) -> Estimate:
    """A statistic of a table with the interval that drawing its rows again gives, within each group of ``by``."""
    rng, places = np.random.default_rng(seed), np.arange(len(table))
    groups = [places[table[by] == value] for value in table[by].unique()] if by else [places]
    draws = [np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(SAMPLES)]
    values = [statistic(table.iloc[drawn]) for drawn in draws]
    return Estimate(statistic(table), *np.nanquantile(values, [0.025, 0.975]))


def rank_correlation(first: pd.Series, second: pd.Series) -> Estimate:
    """Spearman's correlation over the relations that both have, with an interval over relations."""
    both = pd.concat({"first": first, "second": second}, axis=1, join="inner")
    return resampled(lambda rows: float(spearmanr(rows["first"], rows["second"]).statistic), both)
