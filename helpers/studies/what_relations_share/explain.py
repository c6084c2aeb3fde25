"""What explains that relations share: tables of how alike they are, tested by shuffling relations, not pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.checks import Count, Seed, checked
from helpers.prompts.relations import relation

SHUFFLES = 1000
FEATURES = (
    "kind of knowledge",
    "type of subjects",
    "type of answers",
    "tokens of the subject",
    "tokens after the subject",
    "words of the template",
)


def square(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """A square table of a column, from rows of ``asked, circuit``; what isn't about two relations is left out."""
    names = list(dict.fromkeys(rows.asked))
    return rows.pivot(index="asked", columns="circuit", values=value).loc[names, names]


def related(names: list[str]) -> pd.DataFrame:
    """1 where two relations have the same type of subjects or of answers, as the facts' files name them; else 0."""
    return pd.DataFrame(np.maximum(_same(names, "subject_type"), _same(names, "answer_type")), names, names)


def _same(names: list[str], key: str) -> np.ndarray:
    values = np.array([relation(name).properties[key] for name in names])
    return (values[:, None] == values[None]).astype(float)


def _template_words(name: str, template: int) -> set[str]:
    return set(re.findall(r"\w+", relation(name).templates[template].lower()))


def likeness(asked: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """How alike relations are, in six ways (`FEATURES`): larger is more alike.

    Args:
        asked: a row of the table ``shared_relations`` for each relation of one model.
    """
    names = list(asked.relation)
    tokens = (-np.abs(np.subtract.outer(each, each)) for each in asked[["subject_tokens", "tokens_after"]].to_numpy().T)
    words = [_template_words(*row) for row in asked[["relation", "template"]].itertuples(index=False)]
    shared = np.array([[len(a & b) / len(a | b) for b in words] for a in words])
    kinds = np.array([relation(name).kind for name in names])
    same_kind = (kinds[:, None] == kinds[None]).astype(float)
    tables = same_kind, _same(names, "subject_type"), _same(names, "answer_type"), *tokens, shared
    return {name: pd.DataFrame(table, names, names) for name, table in zip(FEATURES, tables, strict=True)}


def _ranked(table: pd.DataFrame) -> np.ndarray:
    """The ranks of a symmetric table's pairs, as a square."""
    values = (table.to_numpy(float) + table.to_numpy(float).T) / 2
    upper = np.triu_indices(len(values), 1)
    ranks = np.zeros_like(values)
    ranks[upper] = pd.Series(values[upper]).rank().to_numpy()
    return ranks + ranks.T


def _correlations(one: np.ndarray, others: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Pearson's r of one square with several, over some pairs."""
    x, ys = one[pairs], others[:, pairs[0], pairs[1]]
    x, ys = x - x.mean(), ys - ys.mean(1, keepdims=True)
    return ys @ x / np.maximum(np.sqrt((x**2).sum() * (ys**2).sum(1)), 1e-12)


@checked
def mantel(
    shared: pd.DataFrame, alike: Mapping[str, pd.DataFrame], *, shuffles: Count = SHUFFLES, seed: Seed = 0
) -> pd.DataFrame:
    """Mantel's test: do relations that are alike share more? Spearman's correlation over pairs of relations.

    Pairs aren't independent, each relation is in many. So whole relations are shuffled for ``p``, and whole relations
    are drawn again for the 95 % interval ``low, high`` (a relation drawn twice makes no pair with itself).

    Args:
        shared: a square table; of both directions of a pair the mean counts, the diagonal doesn't.
        alike: one square table for each explanation, of the same relations in the same order.

    Returns:
        A row for each explanation. ``p`` is the share of shuffles in which *any* explanation fits as well, up or down:
        who tries six, and shows the best, isn't rewarded.

    Raises:
        ValueError: for tables of different relations, or of fewer than four.
    """
    names = list(shared.index)
    if len(names) < 4 or any([*t.index] != names or [*t.columns] != names for t in (shared, *alike.values())):
        raise ValueError("mantel needs square tables of the same relations, in the same order, at least four")
    one, others = _ranked(shared), np.stack([_ranked(table) for table in alike.values()])
    rng, pairs = np.random.default_rng(seed), np.triu_indices(len(names), 1)
    real, best, drawn = _correlations(one, others, pairs), [], []
    for _ in range(shuffles):
        order = rng.permutation(len(names))
        best.append(np.abs(_correlations(one[np.ix_(order, order)], others, pairs)).max())
        again = rng.integers(len(names), size=len(names))
        chosen = again[pairs[0]], again[pairs[1]]
        distinct = chosen[0] != chosen[1]
        drawn.append(_correlations(one, others, (chosen[0][distinct], chosen[1][distinct])))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    p = [(1 + (np.array(best) >= abs(r) - 1e-12).sum()) / (1 + shuffles) for r in real]
    return pd.DataFrame({"r": real, "low": low, "high": high, "p": p}, index=list(alike))


@checked
def gap(shared: pd.DataFrame, alike: pd.DataFrame, *, shuffles: Count = SHUFFLES, seed: Seed = 0) -> dict[str, float]:
    """By how much related pairs share more than others, tested like `mantel`.

    Args:
        shared: a square table, as in `mantel`.
        alike: 1 for related pairs, 0 for others.

    Returns:
        ``related, others``, the means; ``gap`` with ``low, high``; ``p``, of shuffles with as large a gap; ``pairs``.

    Raises:
        ValueError: for tables of different relations, or without pairs of both kinds.
    """
    names, values = list(shared.index), (shared.to_numpy(float) + shared.to_numpy(float).T) / 2
    same = alike.to_numpy() > 0
    pairs = np.triu_indices(len(names), 1)
    if [*alike.index] != names or len(set(same[pairs])) < 2:
        raise ValueError("gap needs square tables of the same relations, with related pairs and with others")

    def means(values: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        inside = same[pairs]
        both = inside.any() and not inside.all()
        return (values[pairs][inside].mean(), values[pairs][~inside].mean()) if both else (np.nan, np.nan)

    inside, outside = means(values, pairs)
    rng, as_large, drawn = np.random.default_rng(seed), 1, []
    for _ in range(shuffles):
        order = rng.permutation(len(names))
        shuffled = means(values[np.ix_(order, order)], pairs)
        as_large += shuffled[0] - shuffled[1] >= inside - outside - 1e-12
        again = rng.integers(len(names), size=len(names))
        chosen = again[pairs[0]], again[pairs[1]]
        distinct = chosen[0] != chosen[1]
        drawn.append(np.subtract(*means(values, (chosen[0][distinct], chosen[1][distinct]))))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    found = dict(related=inside, others=outside, gap=inside - outside, low=low, high=high)
    return found | dict(p=as_large / (1 + shuffles), pairs=int(same[pairs].sum()))
