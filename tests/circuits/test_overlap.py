"""Overlaps are those of a hand computation, and chance is what many draws give."""

import numpy as np
import pytest

from helpers import Circuit, Graph, random_circuit
from helpers.circuits.circuit import heads_of
from helpers.circuits.overlap import chance_overlaps, overlaps

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


def test_bad_inputs():
    with pytest.raises(ValueError, match="parts has to be 'edges' or 'heads', not 'nodes'"):
        overlaps({"one": ONE}, parts="nodes")
    with pytest.raises(ValueError, match="one graph"):
        overlaps({"one": ONE, "other": Circuit.empty(Graph(2, 4, 4))})
    with pytest.raises(ValueError, match="chance has to be 'blind' or 'relabelled', not 'fair'"):
        chance_overlaps({"one": ONE}, chance="fair")
    with pytest.raises(ValueError, match="draws has to be greater than or equal to 2, not 1"):
        chance_overlaps({"one": ONE}, draws=1)
    with pytest.raises(ValueError, match="circuits.one. has to be an instance of Circuit, not 3"):
        overlaps({"one": 3})
