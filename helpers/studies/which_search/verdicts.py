"""What the judges' tables say together: means over tasks, and one search against another, task by task.

A claim that one search is better is tested by its sign: in how many tasks it is, beside a fair coin. Two tasks, as
SmolLM2 has, are too few for that, and are said to be.
"""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest

from helpers.studies.verdicts import says
from helpers.studies.which_search.tasks import REFERENCE

NAMES = {"smollm2": "SmolLM2", "atlas": "Atlas"}
LEVEL = 0.05
LESS_IS_BETTER = ("CMD", "small CMD", "incompleteness", "worst")
AREAS = ("small CMD", "CMD", "CPR")


def by_task(table: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """Means over draws: rows are tasks, columns are searches.

    Args:
        table: some rows of a judge's table, of one model and one measure.
    """
    return table.pivot_table(index="task", columns="search", values=column, aggfunc="mean")


def gain(table: pd.DataFrame, search: str, other: str = REFERENCE, column: str = "value") -> pd.Series:
    """How much better a search is than another one, task by task; positive is better, also where less is better.

    Args:
        table: some rows of a judge's table, of one model and one measure.

    Raises:
        ValueError: for rows of several models or measures.
    """
    for name in ("model", "measure"):
        if name in table and table[name].nunique() > 1:
            raise ValueError(f"choose one {name}; there are {', '.join(map(str, table[name].unique()))}")
    wide = by_task(table, column)
    sign = -1 if "measure" in table and table.measure.iloc[0] in LESS_IS_BETTER else 1
    return sign * (wide[search] - wide[other])


def told(gains: pd.Series) -> str:
    """Whether it is better: yes or no if its sign is beyond a coin's, how often, and by how much in the mean."""
    better, n = int((gains > 0).sum()), len(gains)
    yes, no = (binomtest(better, n, 0.5, side).pvalue < LEVEL for side in ("greater", "less"))
    return says(f"better in {better} of {n} tasks, mean {gains.mean():+.2f}", yes, no)


def areas(circuits: pd.DataFrame, edges: int) -> pd.DataFrame:
    """Of each search the mean faithfulness at one size and its areas, and in how many tasks it beats the reference.

    Args:
        circuits: rows of the table ``judged_circuits``, of one model.
        edges: the size.
    """
    at = circuits[(circuits.measure == "faithfulness") & (circuits.edges == edges)]
    table = {f"{edges} edges keep": by_task(at).mean()}
    table |= {area: by_task(circuits[circuits.measure == area]).mean() for area in AREAS}
    small = circuits[circuits.measure == AREAS[0]]
    n = small.task.nunique()
    beats = {search: f"{(gain(small, search) > 0).sum()} of {n}" for search in small.search.unique()}
    return pd.DataFrame(table | {f"beats {REFERENCE}": pd.Series(beats | {REFERENCE: "-"})}).sort_values(AREAS[0])


def again(stability: pd.DataFrame, complete: pd.DataFrame) -> pd.DataFrame:
    """Of each search the overlap of two draws' circuits and with another task's, its signs, and its incompleteness.

    Means over tasks; incompleteness over sets of nodes that aren't empty.

    Args:
        stability, complete: the tables ``judged_stability`` and ``judged_complete``.
    """
    parts = {}
    for model, name in NAMES.items():
        own = stability[stability.model == model]
        for measure in ("another draw", "another task", "one sign, in a circuit"):
            parts[name, measure] = by_task(own[own.measure == measure]).mean()
    some = complete[(complete.nodes > 0) & (complete.measure == "incompleteness")]
    parts[NAMES["atlas"], "incompleteness"] = by_task(some).mean()
    return pd.DataFrame(parts).sort_values((NAMES["smollm2"], "another draw"), ascending=False, na_position="last")
