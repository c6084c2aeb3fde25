"""The tables of sharing with one value for each relation: what its own circuit, and each opponent, keeps or costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.statistics import Estimate, with_interval
from helpers.studies.what_relations_share.explain import square
from helpers.studies.what_relations_share.transfer import HEADS, RANDOM, UNRELATED, WORDS

OWN, OTHERS, BEST = "its own", "another relation's", "the best of the others"
AGAIN, CHANCE = "itself, other subjects", "another's, heads permuted"
ONLY_OWN, ONLY_OTHER = "only in its own", "only in the other's"


def _own_and_others(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The diagonal, and the rest with a nan in its place."""
    values = table.to_numpy(float)
    return np.diag(values), np.where(np.eye(len(values), dtype=bool), np.nan, values)


def kept_by_relation(rows: pd.DataFrame) -> pd.DataFrame:
    """What each relation keeps with its own circuit and with its opponents.

    Args:
        rows: one model's rows of the table ``shared_transfer``.
    """
    table = square(rows, "kept")
    own, others = _own_and_others(table)
    columns = {OWN: own, OTHERS: np.nanmean(others, 1), BEST: np.nanmax(others, 1)}
    each = rows.pivot(index="asked", columns="circuit", values="kept").loc[table.index]
    more = {name: each[name].to_numpy() for name in (WORDS, UNRELATED, HEADS, RANDOM)}
    return pd.DataFrame(columns | more, index=table.index)


def overlap_by_relation(rows: pd.DataFrame) -> pd.DataFrame:
    """How much each relation's circuit shares: by chance, with another relation's, reworded, and found again.

    Args:
        rows: one model's rows of the table ``shared_overlaps``.
    """
    table, chance = (square(rows, value) for value in ("shared", "chance"))
    again, others = _own_and_others(table)
    worded = rows[rows.circuit == WORDS].set_index("asked").shared.reindex(table.index)
    columns = {CHANCE: np.nanmean(_own_and_others(chance)[1], 1), OTHERS: np.nanmean(others, 1)}
    return pd.DataFrame(columns | {WORDS: worded.to_numpy(), AGAIN: again}, index=table.index)


def lost_by_relation(rows: pd.DataFrame) -> pd.DataFrame:
    """What each relation loses of its logit difference when edges are cut out of the whole model.

    Args:
        rows: one model's rows of the table ``shared_cuts``.
    """
    whole = rows[rows.cut == "whole"]
    named = whole.circuit.where(whole.circuit.isin((HEADS, RANDOM)), OTHERS)
    named = named.mask(whole.circuit == whole.asked, OWN)
    cuts = rows.cut.map({"only its own": ONLY_OWN, "only the other's": ONLY_OTHER})
    cuts[whole.index] = named
    lost = (1 - rows.left).groupby([rows.asked, cuts]).mean().unstack()
    return lost[[OWN, OTHERS, HEADS, RANDOM, ONLY_OWN, ONLY_OTHER]]


def means(each: pd.DataFrame) -> dict[str, Estimate]:
    """The mean of each column over the relations that have a value, with its interval."""
    return {name: with_interval(values.dropna()) for name, values in each.items()}


def faced(each: pd.DataFrame, own: str = OWN) -> pd.DataFrame:
    """A column beside the others, as text: their means, by how much it is larger, and in how many relations."""
    rows = {}
    for name, values in each.drop(columns=own).items():
        gaps = (each[own] - values).dropna()
        more = f"{(gaps > 0).sum()} of {len(gaps)}"
        rows[name] = {"keeps": f"{values.mean():.2f}", "own more by": with_interval(gaps).brief(), "in": more}
    return pd.DataFrame(rows).T


def standing(each: pd.DataFrame, column: str = OTHERS) -> float:
    """Where an overlap stands between chance (0) and what a circuit shares with itself (1), a ratio of means."""
    complete = each[[column, CHANCE, AGAIN]].dropna()
    shared, chance, again = (complete[name].mean() for name in complete)
    return (shared - chance) / (again - chance)
