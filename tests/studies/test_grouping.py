"""Planted groups of circuits are found, and mixed ones aren't."""

import numpy as np
import pandas as pd
import pytest

from helpers.studies.grouping import clusters, dendrogram_order, grouping_test


def blocks(inside: float, across: float) -> pd.DataFrame:
    groups = np.repeat(np.arange(3), 4)
    rng = np.random.default_rng(0)
    values = np.where(groups[:, None] == groups[None], inside, across) + 0.02 * rng.random((12, 12))
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    return pd.DataFrame(values, list("abcdefghijkl"), list("abcdefghijkl"))


def test_planted_groups_are_found_and_mixed_ones_are_not():
    table, groups = blocks(0.8, 0.2), np.repeat(["x", "y", "z"], 4).tolist()
    fit = grouping_test(table, groups, shuffles=99)
    assert fit.rand == 1 and fit.silhouette > 0.5 and fit.within > 0.75 > 0.3 > fit.between
    assert fit.p_gap == fit.p_rand == fit.p_silhouette == pytest.approx(0.01)
    mixed = grouping_test(table, np.tile(["x", "y", "z"], 4).tolist(), shuffles=99)
    assert mixed.rand < 0.1 and mixed.silhouette < 0 and mixed.p_gap > 0.3
    none = grouping_test(blocks(0.5, 0.5), groups, shuffles=99)
    assert none.p_gap > 0.02


def test_clusters_and_their_order():
    table = blocks(0.8, 0.2)
    shuffled = table.sample(frac=1, random_state=1).index
    table = table.loc[shuffled, shuffled]
    order = [("abcd efgh ijkl".split().index(part), part) for part in "abcd efgh ijkl".split()]
    member = {name: n for n, part in order for name in part}
    groups = [member[name] for name in dendrogram_order(table)]
    assert sum(a != b for a, b in zip(groups, groups[1:], strict=False)) == 2, "each group stands together"
    found = clusters(table, 3)
    assert len({(member[name], c) for name, c in zip(table.index, found, strict=True)}) == 3


def test_bad_inputs():
    with pytest.raises(ValueError, match="12 circuits need as many groups"):
        grouping_test(blocks(0.8, 0.2), ["x"] * 12)
    with pytest.raises(ValueError, match="same circuits, in the same order"):
        dendrogram_order(pd.DataFrame([[0.4]], ["one"], ["two"]))
    with pytest.raises(ValueError, match="n has to be greater than or equal to 1, not 0"):
        clusters(blocks(0.8, 0.2), 0)
    for value in (float("nan"), 2.0, "much"):
        table = blocks(0.8, 0.2).astype(object)
        table.iloc[0, 1] = value
        with pytest.raises(ValueError, match="a number from 0 to 1"):
            grouping_test(table, ["x", "y"] * 6, shuffles=1)
