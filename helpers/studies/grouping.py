"""Whether the overlaps of circuits follow a grouping, and the tree of what is alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score

from helpers.checks import Count, Seed, checked


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
