"""How far two namings of a model's heads agree, with chance of the right kind and empty sets set aside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.circuits.graph import head_place
from helpers.studies.head_agreement import jaccard, kappa, shuffled
from helpers.studies.heads.head_tables import ATLAS, read_heads
from helpers.studies.heads.routes import LETTERS
from helpers.studies.tables import read_table

MEASURES = {"all classes": None, "attribute movers": "attribute mover", "relation heads": "relation"}
DRAWS = 10
PARTNERS = 10  # other relations that a question is compared with, at most
Names = Sequence[str] | np.ndarray


def read_names(model: str) -> dict[str, dict[tuple[str, int], list[str]]]:
    """The classes of one model: setting (``first`` is the question's own) -> (relation, tokens) -> a class a head."""
    spelt = {letter: name for name, letter in LETTERS.items()}
    result = {"first": {question: list(frame["class"]) for question, frame in read_heads(model).items()}}
    for row in read_table("head_names").query("model == @model").itertuples():
        result.setdefault(row.setting, {})[row.relation, row.tokens] = [spelt[letter] for letter in row.classes]
    return result


def agreement(first: Names, second: Names, measure: str) -> float | None:
    """Cohen's kappa over all classes, or the Jaccard index of the heads of one class; ``None`` if neither has one.

    Args:
        measure: one of `MEASURES`.
    """
    kind = MEASURES[measure]
    if kind is None:
        return kappa(first, second)
    return jaccard(first, second, kind) if kind in {*first, *second} else None


def agreements(model: str, measure: str) -> dict[str, pd.Series]:
    """For each comparison: the agreement in each question that has the class in one naming or both.

    ``other facts``, ``other words`` (where the table has them), ``another relation`` (ten with as many tokens, the
    mean over them), and for each of these ``... by chance``: the *second* naming dealt out anew within each layer.
    """
    names = read_names(model)
    heads = next(iter(read_heads(model).values()))["head"]
    layers, first, result = [head_place(head)[0] for head in heads], names["first"], {}
    partners = {s: {q: [own] for q, own in names[s].items()} for s in ("other facts", "other words") if s in names}
    for own in first:
        others = [other for o, other in first.items() if o[0] != own[0] and o[1] == own[1]]
        partners.setdefault("another relation", {})[own] = others[:: max(1, -(-len(others) // PARTNERS))]
    for setting, seconds in partners.items():
        asked = {q: seconds[q] for q in first if q in seconds}
        result[setting] = _means({q: _each(first[q], own, measure) for q, own in asked.items()})
        dealt = {q: [s for i, own in enumerate(asked[q]) for s in _dealt(own, layers, i, len(asked[q]))] for q in asked}
        result[f"{setting}, by chance"] = _means({q: _each(first[q], own, measure) for q, own in dealt.items()})
    return result


def _dealt(names: Names, layers: Sequence[int], number: int, of: int) -> list[list[str]]:
    """A naming dealt out anew: ten times, or once if it is one of many."""
    return [shuffled(names, layers, seed=number + draw) for draw in range(DRAWS if of == 1 else 1)]


def _each(first: Names, seconds: Sequence[Names], measure: str) -> list[float]:
    found = [agreement(first, second, measure) for second in seconds]
    return [value for value in found if value is not None]


def _means(values: dict[tuple[str, int], list[float]]) -> pd.Series:
    return pd.Series({q: np.mean(own) for q, own in values.items() if own}, dtype=float)


def kept_with_wrong_type(model: str = ATLAS[0]) -> pd.Series:
    """The share of a question's relation heads that stay if another relation's answers count as the type."""
    names = read_names(model)
    shares = {}
    for q in names["wrong type"]:
        first = names["first"][q]
        own = [i for i, kind in enumerate(first) if kind == "relation"]
        if own:
            shares[q] = np.mean([names["wrong type"][q][i] == "relation" for i in own])
    return pd.Series(shares)
