"""Searches judged where the circuit is known: do planted models' true edges come before all others?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from sklearn.metrics import roc_auc_score
from torch import Tensor

from helpers.atlas.planted import Planted, planted_induction
from helpers.atlas.planted_traps import PlantedTraps, planted_traps
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.statistics import with_interval
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.which_search.candidates import BASELINES, SEARCHES, SLOW, Search

VARIANTS = 8  # of each model
DRAWN = 8  # of the induction model's twelve pairs
NOISE = 2e-7  # of the largest score: what rounding makes of 0
ALL = "all"


def induction(variant: int) -> Planted:
    """The small model, with some of its pairs."""
    planted = _small()
    chosen = np.random.default_rng(variant).permutation(len(planted.pairs))[:DRAWN]
    return Planted(planted.model, planted.pairs.select(chosen.tolist()), planted.edges)


@cache
def _small() -> Planted:
    return planted_induction()


MODELS: Mapping[str, Callable[[int], Planted]] = {
    "induction": induction,
    "traps, GPT-2": lambda variant: planted_traps("gpt2", variant),
    "traps, Llama": lambda variant: planted_traps("llama", variant),
}


def judged(planted: Planted, search: Search) -> pd.DataFrame:
    """How a search ranks a planted model's edges, the true ones of each trap against all that aren't true.

    Scores that are nothing but rounding count as 0; where edges have equal scores, half of them come first.

    Returns:
        One row for all true edges (``"all"``) and one for each trap, with columns ``trap, true_edges, auc`` (area under
        the ROC curve), ``worst`` (the rank of the lowest of them, among them and those that aren't true: at best, it is
        their number) and ``found`` (how many are among the first 22 edges if the whole circuit has 22).
    """
    graph = Graph.from_model(planted.model)
    truth = Circuit.from_edges(graph, planted.edges).mask
    values = _without_noise(search(planted.model, planted.pairs))
    false, rows = values[graph.edges & ~truth], []
    for trap, edges in traps_of(planted).items():
        own = values[Circuit.from_edges(graph, edges).mask]
        auc = roc_auc_score([True] * len(own) + [False] * len(false), torch.cat((own, false)))
        above = (false > own.min()).sum() + (false == own.min()).sum() / 2
        found = _among_first(int(truth.sum()), own, values[graph.edges])
        rows.append(dict(trap=trap, true_edges=len(own), auc=auc, worst=len(own) + float(above), found=found))
    return pd.DataFrame(rows)


def _among_first(n: int, own: Float[Tensor, " some"], values: Float[Tensor, " edge"]) -> float:
    """How many of some values are among the largest ``n`` of all; where a tie is cut, as many as a draw would take."""
    last = values.topk(n).values[-1]
    left, tied = n - (values > last).sum(), (values == last).sum()
    return float((own > last).sum() + (own == last).sum() * left / tied)


def traps_of(planted: Planted) -> dict[str, frozenset[str]]:
    """The true edges, all together and by trap."""
    return {ALL: planted.edges} | (dict(planted.traps) if isinstance(planted, PlantedTraps) else {})


def _without_noise(scores: Scores) -> Float[Tensor, "reader source"]:
    """The scores, those that are nothing but rounding set to 0."""
    largest = scores.values[scores.graph.edges].abs().max()
    return scores.values.where(scores.values.abs() > NOISE * largest, 0.0)


def model_rows(name: str, searches: Mapping[str, Search], variants: int = VARIANTS) -> pd.DataFrame:
    """All searches on some variants of a model: means, and for areas the interval from drawing the variants again.

    Returns:
        Columns ``model, trap, search, variants, pairs, edges, true_edges, auc, low, high, worst, found``.
    """
    parts = []
    for variant in range(variants):
        planted = MODELS[name](variant)
        sizes = dict(pairs=len(planted.pairs), edges=Graph.from_model(planted.model).n_edges)
        parts += [judged(planted, search).assign(search=who, **sizes) for who, search in searches.items()]
    rows = []
    for (trap, who), some in pd.concat(parts).groupby(["trap", "search"], sort=False):
        auc, low, high = with_interval(some.auc).row()
        same = some[["pairs", "edges", "true_edges"]].iloc[0].to_dict()
        marks = dict(auc=auc, low=low, high=high, worst=some.worst.mean(), found=some.found.mean())
        rows.append(dict(model=name, trap=trap, search=who, variants=len(some), **same, **marks))
    return pd.DataFrame(rows)


def all_rows() -> Iterator[pd.DataFrame]:
    """Every model, every search and baseline."""
    for name in MODELS:
        yield model_rows(name, {**SEARCHES, **SLOW, **BASELINES})


def write_tables(load: Load, write: Write) -> None:
    """Judge all searches on all planted models."""
    write_parts(write, "judged_planted", all_rows())
