"""The committed tables as shares with intervals: what the chapter's figures and its verdicts are made of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.statistics import Estimate, exact_interval, with_interval


def over_relations(table: pd.DataFrame, role: str) -> list[Estimate]:
    """By layer: the mean share at positions of a role, with its interval over relations (`places.place_rows`)."""
    each = table[table.role == role].groupby(["layer", "relation"]).share.mean()
    return [with_interval(part) for _, part in each.groupby("layer")]


def of_names(table: pd.DataFrame, model: str, names: Sequence[str], part: str = "resid") -> pd.DataFrame:
    """The rows of ``fact_places`` about people with names of some lengths (`places.NAMES`)."""
    return table[(table.model == model) & (table.part == part) & table.name.isin(names)]


def read_off(table: pd.DataFrame, model: str) -> list[Estimate]:
    """By layer: how many answers probes read off long names, with the interval over relations (``name_probes``)."""
    own = table[(table.model == model) & (table.words > 1)]
    sums = own.assign(hits=own.right * own.facts).groupby(["layer", "relation"])[["hits", "facts"]].sum()
    return [with_interval(part) for _, part in (sums.hits / sums.facts).groupby("layer")]


def edited(table: pd.DataFrame, model: str, score: str, place: str) -> list[Estimate]:
    """By layer: a score of edits at a place of the prompt, with its interval over edited facts (``edit_places``)."""
    own = table[(table.model == model) & (table.score == score) & (table.place == place)]
    each = own.groupby(["layer", "relation", "subject"]).value.mean()
    return [_estimate(part) for _, part in each.groupby("layer")]


def gain_at_subject(table: pd.DataFrame, score: str) -> Estimate:
    """How much higher a score of edits is at the subject's last token than at the prompt's, fact by fact.

    Each place at its best layer; the interval is over the edited facts.
    """
    each = table[table.score == score].groupby(["place", "layer", "relation", "subject"]).value.mean()
    subject, end = (
        each[place][each[place].groupby("layer").mean().idxmax()].sort_index() for place in ("subject_last", "last")
    )
    return with_interval((subject - end).dropna())


def grafted_right(table: pd.DataFrame, model: str, telling: str, places: Sequence[str]) -> list[Estimate]:
    """By the positions of new weights: right answers, with the interval over new people (``grafts``)."""
    own = table[(table.model == model) & (table.telling == telling)]
    return [_estimate(own[own.place == place].right) for place in places]


def _estimate(values: pd.Series) -> Estimate:
    """The mean with its interval; where all values are 0, or all 1, the exact one of so many trials."""
    if values.isin([0, 1]).all() and values.nunique() == 1:
        return exact_interval(int(values.sum()), len(values))
    return with_interval(values)
