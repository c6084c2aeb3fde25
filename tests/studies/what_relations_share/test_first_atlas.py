"""The committed circuits of the first Atlas are what the code gives."""

import pytest

from helpers import Graph
from helpers.searches.attribution import SHARE
from helpers.studies.what_relations_share.first_atlas import (
    DRAWS,
    read_circuits,
    relation_circuit,
    shared_relations,
)


@pytest.mark.parametrize("name, draw", [("comparative", "first"), ("element_number", "other words")])
def test_a_circuit_is_what_the_code_gives(atlas, name, draw):
    kept_one = read_circuits(Graph.from_model(atlas), draw)[name]
    assert relation_circuit(atlas, name, draw).jaccard(kept_one) > 0.95


def test_every_relation_has_its_circuits(atlas):
    graph = Graph.from_model(atlas)
    for draw in DRAWS:
        circuits = read_circuits(graph, draw)
        assert list(circuits) == shared_relations()
        assert {c.n_edges for c in circuits.values()} == {int(SHARE * graph.n_edges)}


def test_bad_inputs(atlas):
    with pytest.raises(ValueError, match="unknown draw 'second'; choose from first, other subjects, other words"):
        relation_circuit(atlas, "plural", "second")
    with pytest.raises(ValueError, match="unknown draw"):
        read_circuits(Graph.from_model(atlas), "second")
