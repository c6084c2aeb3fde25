"""Overlaps are those of a hand computation; planted groups are found, and mixed ones aren't."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import Circuit, Graph, eap, random_circuit
from helpers.circuits.circuit import heads_of
from helpers.circuits.overlap import chance_overlaps, clusters, dendrogram_order, grouping_test, overlaps, stability
from helpers.studies.edited_circuits.edited_circuits import mean_overlaps

GRAPH = Graph(3, 4, 4)


def circuit(*edges: str) -> Circuit:
    return Circuit.from_edges(GRAPH, edges)


ONE = circuit("embed->a0.h1<v>", "a0.h1->m1", "m1->logits")
TWO = circuit("embed->a0.h1<v>", "a0.h1->m1", "a2.h0->logits", "m0->logits")


def test_overlap_by_hand():
    table = overlaps({"one": ONE, "two": TWO})
    assert table.loc["one", "two"] == table.loc["two", "one"] == ONE.jaccard(TWO) == 2 / 5
    assert heads_of(ONE) == ("a0.h1",) and heads_of(TWO) == ("a0.h1", "a2.h0")
    assert overlaps({"one": ONE, "two": TWO}, parts="heads").loc["one", "two"] == 1 / 2
    assert overlaps({"one": ONE}, {"two": TWO}).to_numpy().tolist() == [[2 / 5]]
    empty = {"a": Circuit.empty(GRAPH), "b": Circuit.empty(GRAPH)}
    assert (overlaps(empty) == 1).all(axis=None)


def test_mean_over_couples():
    circuits = {"one": ONE, "two": TWO}
    assert mean_overlaps([("one", "two")], circuits) == {"edges": 2 / 5, "heads": 1 / 2}
    assert mean_overlaps([("one", "two"), ("one", "one")], circuits)["edges"] == pytest.approx(0.7)
    assert mean_overlaps([("one", "one")], circuits, {"one": TWO})["edges"] == 2 / 5
    with pytest.raises(ValueError, match="no couple"):
        mean_overlaps([], circuits)


def test_chance_is_what_many_draws_give():
    n = 40
    circuits = {str(seed): random_circuit(GRAPH, n, seed) for seed in range(6)}
    mean, spread = chance_overlaps(circuits, chance="blind", draws=20)
    expected = n / (2 * GRAPH.n_edges - n)  # shared edges: n * n / all of them
    assert mean.to_numpy().mean() == pytest.approx(expected, rel=0.1)
    assert (spread > 0).all(axis=None)
    off = ~np.eye(6, dtype=bool)
    own = overlaps(circuits).to_numpy()
    z = ((own - mean) / spread).to_numpy()[off]
    assert abs(np.mean(z)) < 1, "random circuits share what chance says"


def test_relabelled_chance_keeps_the_mlps():
    same = {name: circuit("embed->m0", "m0->m1", "m1->logits") for name in "ab"}
    mean, spread = chance_overlaps(same, draws=3)
    assert (mean == 1).all(axis=None) and (spread == 0).all(axis=None)


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
    with pytest.raises(ValueError, match="parts has to be 'edges' or 'heads', not 'nodes'"):
        overlaps({"one": ONE}, parts="nodes")
    with pytest.raises(ValueError, match="one graph"):
        overlaps({"one": ONE, "other": Circuit.empty(Graph(2, 4, 4))})
    with pytest.raises(ValueError, match="chance has to be 'blind' or 'relabelled', not 'fair'"):
        chance_overlaps({"one": ONE}, chance="fair")
    with pytest.raises(ValueError, match="draws has to be greater than or equal to 2, not 1"):
        chance_overlaps({"one": ONE}, draws=1)
    with pytest.raises(ValueError, match="12 circuits need as many groups"):
        grouping_test(blocks(0.8, 0.2), ["x"] * 12)
    with pytest.raises(ValueError, match="same circuits, in the same order"):
        dendrogram_order(overlaps({"one": ONE}, {"two": TWO}))
    with pytest.raises(ValueError, match="circuits.one. has to be an instance of Circuit, not 3"):
        overlaps({"one": 3})
    with pytest.raises(ValueError, match="n has to be greater than or equal to 1, not 0"):
        clusters(blocks(0.8, 0.2), 0)
    for value in (float("nan"), 2.0, "much"):
        table = blocks(0.8, 0.2).astype(object)
        table.iloc[0, 1] = value
        with pytest.raises(ValueError, match="a number from 0 to 1"):
            grouping_test(table, ["x", "y"] * 6, shuffles=1)


def test_stability_is_that_of_resampled_pairs(small):
    """The draws are those of a generator with the seed; their overlaps and signs are compared by hand."""
    model, pairs = small
    found = stability(model, eap, pairs, size=10, draws=4, seed=3)
    generator, scores = torch.Generator().manual_seed(3), []
    for _ in range(4):
        places = torch.randint(len(pairs), (len(pairs),), generator=generator)
        scores.append(eap(model, pairs.select(places)))
    tops = [set(s.top(10).edges) for s in scores]
    each = [len(a & b) / len(a | b) for i, a in enumerate(tops) for b in tops[i + 1 :]]
    assert float(found.jaccard) == pytest.approx(sum(each) / len(each))
    assert found.jaccard.low <= found.jaccard <= found.jaccard.high
    same = torch.stack([s.values > 0 for s in scores])
    both = (same.all(0) | (~same).all(0)) & scores[0].graph.edges & (scores[0].values != 0)
    assert torch.equal(found.same_sign, both)
    assert [c.edges for c in found.circuits] == [s.top(10).edges for s in scores]


def test_a_search_that_gives_the_same_is_stable(small):
    model, pairs = small
    fixed = eap(model, pairs)
    found = stability(model, lambda *_: fixed, pairs, size=10, draws=3)
    assert found.jaccard == 1 and found.same_sign.sum() == (fixed.values != 0).sum()
