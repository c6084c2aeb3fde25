"""Rows that the chapter on indirect objects shows: circuits judged by two contrasts, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers.statistics import Estimate
from helpers.studies.verdicts import for_each, says


def judged_twice(table: pd.DataFrame, names: Mapping[str, str]) -> tuple[list[str], dict[str, list[Estimate]]]:
    """Labels with edges, and for each contrast that judges the faithfulness of the circuits.

    Args:
        table: rows ``searched, judged, edges, faithfulness, low, high`` of one use.
        names: what a circuit was searched with -> its label, in the order of the rows.
    """
    by_search = {name: part for name, part in table.groupby("searched")}
    labels = [f"{label}<br>({by_search[name].edges.iloc[0]:,} edges)" for name, label in names.items()]
    kept: dict[str, list[Estimate]] = {}
    for name in names:
        for row in by_search[name].itertuples():
            kept.setdefault(f"judged by {row.judged}", []).append(Estimate(row.faithfulness, row.low, row.high))
    return labels, kept


def more_than_half(parts: Sequence[float]) -> str:
    """Whether all of some shares are more than half (or some of them), and the shares."""
    return for_each(", ".join(f"{part:.0%}" for part in parts), [part > 0.5 for part in parts])


def all_above(groups: Sequence[pd.Series], least: float) -> str:
    """Whether all values of all groups are above a bound, and how many of each group are."""
    counts = ", ".join(f"{(values > least).sum()} of {len(values)}" for values in groups)
    return says(counts, all((values > least).all() for values in groups))
