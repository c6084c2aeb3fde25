"""The committed tables of two steps as shares with intervals, curves over layers, and cells of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from helpers.statistics import Estimate, bootstrap, exact_interval, with_interval
from helpers.studies.two_hops_and_reversal.questions import group_of

ATLASES = ("atlas2", "atlas2-seed1")
DONORS = ("named", "told", "never told", "random")


def share(values: pd.Series) -> Estimate:
    """A mean over subjects with its interval: the exact one of so many trials where all are 0 or all are 1."""
    values = values.astype(float)
    if len(values) and values.nunique() == 1 and values.iloc[0] in (0, 1):
        return exact_interval(int(values.sum()), len(values))
    return with_interval(values)


def by_subject(rows: pd.DataFrame, column: str = "right") -> Estimate:
    """The share of a column, each subject of each model counted once: its questions aren't independent."""
    return share(rows.groupby(["model", "subject"])[column].mean())


def guess(rows: pd.DataFrame) -> float:
    """How often a word that is said to another question of the same kind would be right: what popularity explains."""
    hits = total = 0
    for _, own in rows.groupby(["model", "kind"]):
        words, right = own.said.value_counts(), own["first"].value_counts()
        hits += (words * right).dropna().sum() - own.right.sum()
        total += len(own) * (len(own) - 1)
    return float(hits / total)


def recall_table(groups: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Per group of questions: the composition, its two steps alone, the guess, and the number of questions."""
    rows = {}
    for name, own in groups.items():
        columns = {"composed": "right", "first step": "first_right", "second step": "second_right"}
        rows[name] = {label: by_subject(own, column).brief() for label, column in columns.items()}
        rows[name] |= {"guess": f"{guess(own):.2f}", "n": len(own)}
    return pd.DataFrame(rows).T


def swaps_of(
    swaps: pd.DataFrame, models: Sequence[str], place: str, donor: str, kinds: Sequence[str] | None = None
) -> pd.DataFrame:
    """What donors of one kind bring at a place: a row for each subject of each model, a column for each layer."""
    own = swaps[swaps.model.isin(models) & (swaps.place == place) & (swaps.donor == donor)]
    own = own if kinds is None else own[own.kind.isin(kinds)]
    return own.pivot_table(index=["model", "kind", "subject"], columns="layer", values=["brought", "other", "kept"])


def curve(rows: pd.DataFrame, outcome: str = "brought") -> list[Estimate]:
    """An outcome at each layer with its interval; each subject of each model counts once."""
    means = rows[outcome].groupby(level=["model", "subject"]).mean()
    return [share(means[layer]) for layer in means]


def last_layer(rows: pd.DataFrame) -> int:
    """The last layer at which donors bring half as many answers as at their best: the place is still read after it."""
    means = rows["brought"].mean()
    return int(means.index[means >= means.max() / 2].max())


def explained_by_bridge(told: pd.Series, never_told: pd.Series, control: pd.Series) -> Estimate:
    """Of what a told donor brings beyond a random direction: the share that one who knows only the bridge brings.

    Args:
        told, never_told, control: for the same questions, how often the donor's right answer is said.
    """
    table = pd.concat({"told": told, "never": never_told, "control": control}, axis=1).dropna()
    values = (torch.tensor(table[name].tolist(), dtype=torch.float) for name in table)
    return bootstrap(lambda t, n, c: (n.mean(-1) - c.mean(-1)) / (t.mean(-1) - c.mean(-1)), *values)


def bridge_share(
    swaps: pd.DataFrame, models: Sequence[str], kinds: Sequence[str] | None = None, place: str = "description"
) -> tuple[Estimate, int]:
    """`explained_by_bridge` at the last layer after which told donors' states are still read, and that layer."""
    rows = {donor: swaps_of(swaps, models, place, donor, kinds)["brought"] for donor in DONORS[1:]}
    means = rows["told"].mean()
    layer = int(means.index[means >= means.max() / 2].max())
    means = {donor: own[layer].groupby(level=["model", "subject"]).mean() for donor, own in rows.items()}
    return explained_by_bridge(*means.values()), layer


def ranks(
    reads: pd.DataFrame,
    models: Sequence[str],
    place: str,
    right: bool,
    word: str,
    *,
    group: str = "world",
    case: str | None = None,
    ends: bool = False,
) -> pd.Series | pd.DataFrame:
    """A word's mean percentile rank after each layer, over models and cases; with ``ends`` its interval, too."""
    own = reads[reads.model.isin(models) & (reads.group == group) & (reads.word == word)]
    own = own[(own.right == right) & (own.place == place)]
    own = own if case is None else own[own.case == case]
    weight = own.n / own.groupby("layer").n.transform("sum")
    found = own[["value", "low", "high"]].mul(weight, axis=0).groupby(own.layer).sum()
    return found if ends else found.value


def exact(rows: pd.DataFrame, column: str = "right") -> Estimate:
    """A share of independent facts with its exact interval."""
    return exact_interval(int(rows[column].sum()), len(rows))


def both_ways(reversals: pd.DataFrame) -> pd.DataFrame:
    """For each relation the facts that are known from one end, and the share of them known from the other, too.

    Returns:
        A row for each (relation, ``forward`` or ``back``): ``facts``, ``known``, ``other way`` (an exact interval).
    """
    keys, rows = [], []
    for name, own in reversals.groupby("relation", sort=False):
        known = own.pivot(index="subject", columns="way", values="right")
        for way, other in (("forward", "back"), ("back", "forward")):
            some = known[known[way]]
            keys.append((name, way))
            rows.append((len(known), len(some), exact(some, other)))
    columns = zip(("facts", "known", "other way"), zip(*rows, strict=True), strict=True)
    index = pd.MultiIndex.from_tuples(keys)
    return pd.DataFrame({c: pd.Series(values, index, dtype=object) for c, values in columns})


def groups_of(asked: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Atlas's and the circle's questions by what training stated: told compositions, and those that it held out."""
    group = [group_of(*pair) for pair in zip(asked.model, asked.kind, strict=True)]
    own = asked.assign(group=group)[asked.model != "smollm2"]
    named = {"world": "Atlas, the real world", "people": "Atlas, invented people", "circle": "the circle"}
    cases = ("told", "held out")
    return {f"{w}: {c}": own[(own.group == g) & (own.case == c)] for g, w in named.items() for c in cases}
