"""What circuits share: overlaps, how much is chance, what stays in other draws, and whether they follow a grouping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from pydantic import Field
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score
from torch import Tensor

from helpers.checks import Amount, Count, Model, Seed, Whole, checked
from helpers.circuits.circuit import Circuit, heads_of, random_circuit
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap

MOST_DRAWS = 10_000
Parts = Literal["edges", "heads"]
Chance = Literal["blind", "relabelled"]


def _members(circuits: Sequence[Circuit], parts: str) -> np.ndarray:
    """A row for each circuit, true where it holds an edge (or uses a head)."""
    if len({circuit.graph for circuit in circuits}) != 1:
        raise ValueError("circuits can be compared if there are any, and all are of one graph")
    if parts == "edges":
        return torch.stack([c.mask[c.graph.edges] for c in circuits]).numpy()
    names = [name for name in circuits[0].graph.sources if "." in name]
    used = [set(heads_of(c)) for c in circuits]
    return np.array([[name in own for name in names] for own in used])


def _jaccard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shared over all, for each row of ``first`` with each row of ``second``; 1 for two empty rows."""
    shared = first.astype(float) @ second.astype(float).T
    union = first.sum(1)[:, None] + second.sum(1)[None] - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


@checked
def overlaps(
    circuits: Mapping[str, Circuit], others: Mapping[str, Circuit] | None = None, *, parts: Parts = "edges"
) -> pd.DataFrame:
    """The Jaccard overlap of each circuit with each other: shared edges (or heads) over those of both together.

    Args:
        others: what the columns are; the circuits themselves by default.

    Raises:
        ValueError: for circuits of different graphs, or none at all.
    """
    others = circuits if others is None else others
    members = _members([*circuits.values(), *others.values()], parts)
    table = _jaccard(members[: len(circuits)], members[len(circuits) :])
    return pd.DataFrame(table, list(circuits), list(others))


@checked
def chance_overlaps(
    circuits: Mapping[str, Circuit],
    *,
    parts: Parts = "edges",
    chance: Chance = "relabelled",
    draws: Annotated[Whole, Field(ge=2)] = 20,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean and the standard deviation of the overlap of two circuits when one of them is drawn by chance.

    Args:
        chance: ``"blind"`` draws as many edges from all; ``"relabelled"`` lets the heads of each layer change places,
            so the shape stays (`random_circuit`).
        draws: how often each circuit is drawn; the two circuits of a pair take turns in being the drawn one.
    """
    own, samples = _members(list(circuits.values()), parts), []
    ways = [(c.graph, {"n": c.n_edges} if chance == "blind" else {"like": c}) for c in circuits.values()]
    for seed in range(draws):
        drawn = [random_circuit(graph, seed=seed * len(ways) + n, **way) for n, (graph, way) in enumerate(ways)]
        one_drawn = _jaccard(own, _members(drawn, parts))
        samples += [one_drawn, one_drawn.T]
    names = list(circuits)
    return tuple(pd.DataFrame(part, names, names) for part in (np.mean(samples, 0), np.std(samples, 0)))


@dataclass(frozen=True, eq=False)
class Stability:
    """What stays of a search when its pairs are drawn again.

    Attributes:
        jaccard: the mean overlap of two draws' circuits; the interval comes from drawing the draws again.
        same_sign: the edges whose scores have one sign in all draws.
        circuits: of each draw.
    """

    jaccard: Estimate
    same_sign: Bool[Tensor, "reader source"]
    circuits: tuple[Circuit, ...]


@checked
def stability(
    model: Model,
    search: Callable[[Any, PromptPairs], Scores],
    pairs: PromptPairs,
    *,
    size: Amount,
    draws: Annotated[Count, Field(ge=2, le=MOST_DRAWS)] = 10,
    seed: Seed = 0,
) -> Stability:
    """Search in resampled pairs (as many, with replacement), again and again, and compare what is found.

    Args:
        search: gives scores for a model and pairs, such as `helpers.eap_ig`.
        size: edges of the circuits that are compared, the best ones of each draw.
    """
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        places = torch.randint(len(pairs), (len(pairs),), generator=generator)
        found.append(search(model, pairs.select(places)))
    circuits = tuple(scores.top(size) for scores in found)
    members = _members(circuits, "edges")
    table = torch.from_numpy(_jaccard(members, members))
    signs = torch.stack([scores.values.sign() for scores in found])
    same = (signs == signs[0]).all(0) & (signs[0] != 0) & found[0].graph.edges
    return Stability(bootstrap(lambda rows: _mean_of_others(table, rows), torch.arange(draws)), same, circuits)


def _mean_of_others(table: Float[Tensor, "draw draw"], rows: Tensor) -> Tensor:
    """The mean overlap of two different draws among those given, the same one never compared with itself."""
    rows = rows.long()
    chosen, other = table[rows[..., :, None], rows[..., None, :]], rows[..., :, None] != rows[..., None, :]
    return (chosen * other).sum((-2, -1)) / other.sum((-2, -1)).clamp_min(1)


@checked
def dendrogram_order(overlap: pd.DataFrame) -> list[str]:
    """The names in the order of a hierarchical clustering (average linkage of 1 minus the overlap)."""
    return [overlap.index[i] for i in leaves_list(_tree(overlap))]


@checked
def clusters(overlap: pd.DataFrame, n: Count) -> list[int]:
    """The tree of `dendrogram_order` cut into at most ``n`` clusters: a number for each row."""
    return fcluster(_tree(overlap), n, "maxclust").tolist()


def _distance(overlap: pd.DataFrame) -> np.ndarray:
    if len(overlap) < 2 or list(overlap.index) != list(overlap.columns):
        raise ValueError("rows and columns of the overlap must be the same circuits, in the same order, at least two")
    shared = overlap.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    if not ((shared >= 0) & (shared <= 1)).all():
        raise ValueError("an overlap is a number from 0 to 1 (see overlaps), and this table holds something else")
    distance = 1 - (shared + shared.T) / 2
    np.fill_diagonal(distance, 0)
    return distance.clip(0)


def _tree(overlap: pd.DataFrame) -> np.ndarray:
    return linkage(squareform(_distance(overlap), checks=False), "average")


@dataclass(frozen=True)
class Grouping:
    """How far overlaps follow a grouping; each ``p`` is the share of shuffled groupings that fit at least as well.

    ``within`` and ``between`` are mean overlaps of two circuits of one group and of two groups; ``rand`` is the
    adjusted Rand index of the clusters with the groups (1 the same, 0 chance), ``silhouette`` is of the groups.
    """

    within: float
    between: float
    p_gap: float
    rand: float
    p_rand: float
    silhouette: float
    p_silhouette: float


@checked
def grouping_test(
    overlap: pd.DataFrame, groups: Sequence[str] | pd.Series | np.ndarray, *, shuffles: Count = 1000, seed: Seed = 0
) -> Grouping:
    """Whether circuits of one group overlap more than circuits of different groups, beside shuffled groups.

    The clusters are those of average linkage, cut into as many as there are groups.

    Raises:
        ValueError: unless there is a group for each row, at least two groups, and one with two members.
    """
    groups = np.where(pd.isna(groups), "", groups).astype(str)
    kinds, sizes = np.unique(groups, return_counts=True)
    if len(groups) != len(overlap) or "" in groups or not 2 <= len(kinds) < len(groups):
        raise ValueError(
            f"{len(overlap)} circuits need as many groups, at least two different ones and one with two "
            f"members; given are {len(groups)}, {len(kinds)} of them different"
        )
    distance, found = _distance(overlap), clusters(overlap, len(kinds))
    off = ~np.eye(len(groups), dtype=bool)

    def fit(labels: np.ndarray) -> tuple[float, float, float, float]:
        same = labels[:, None] == labels[None]
        within, between = 1 - distance[same & off].mean(), 1 - distance[~same].mean()
        silhouette = silhouette_score(distance, labels, metric="precomputed")
        return within, between, adjusted_rand_score(labels, found), silhouette

    within, between, rand, silhouette = fit(groups)
    rng, better = np.random.default_rng(seed), np.ones(3)
    for _ in range(shuffles):
        w, b, r, s = fit(rng.permutation(groups))
        better += (w - b >= within - between, r >= rand, s >= silhouette)
    p_gap, p_rand, p_silhouette = better / (shuffles + 1)
    return Grouping(within, between, p_gap, rand, p_rand, silhouette, p_silhouette)
