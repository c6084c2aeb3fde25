"""The committed circuits and tables are what the code gives."""

import pytest

from helpers import Graph, faithfulness, logit_diff, relation_pairs, run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import baselines
from helpers.searches.attribution import SHARE
from helpers.studies.mlps.sharing import (
    DRAWS,
    N_PAIRS,
    TRANSFERRED,
    cut_rows,
    read_circuits,
    relation_circuit,
    relation_types,
    shared_relations,
    transfer_rows,
)
from helpers.studies.tables import read_table


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
    assert list(relation_types(["antonym"]).loc["antonym"]) == ["linguistic", "word", "word"]


def test_transfer_is_what_the_code_gives(atlas):
    table = read_table("transfer").set_index(["asked", "circuit"])
    assert len(table) == len(TRANSFERRED) ** 2
    circuits = read_circuits(Graph.from_model(atlas))
    pairs = relation_pairs(atlas, "plural", N_PAIRS, split="test")
    for other in ("plural", "first_letter"):
        value = float(faithfulness(atlas, circuits[other], pairs))
        assert table.loc[("plural", other), "kept"] == pytest.approx(value, abs=0.02)
    name = TRANSFERRED[0]
    (row,) = transfer_rows(atlas, {name: circuits[name]}, [name]).to_dict("records")
    assert table.loc[(name, name)].to_dict() == pytest.approx({k: row[k] for k in table.columns}, abs=0.02)


def test_cuts_are_circuits_without_a_source(atlas):
    name = "country_language"
    rows = cut_rows(atlas, [name]).set_index("source").lost
    table = read_table("cuts")
    committed = table[table.relation == name].set_index("source").lost
    assert committed.to_dict() == pytest.approx(rows.to_dict(), abs=0.02)
    assert set(table.relation) == set(shared_relations())
    graph, pairs = Graph.from_model(atlas), relation_pairs(atlas, name, N_PAIRS, split="test")
    scale = baselines(atlas, pairs, logit_diff, "corrupt")
    for source in ("a0.h0", "a3.h1", "m0", "m5"):
        mask = graph.edges.clone()
        mask[:, graph.sources.index(source)] = False
        left = logit_diff(run_circuit(atlas, Circuit(graph, mask), pairs), pairs).mean()
        bottom = scale.ablated.mean()
        assert rows[source] == pytest.approx(1 - ((left - bottom) / (scale.full.mean() - bottom)).item(), abs=1e-3)


def test_bad_inputs(atlas):
    with pytest.raises(ValueError, match="unknown draw 'second'; choose from first, other subjects, other words"):
        relation_circuit(atlas, "plural", "second")
    with pytest.raises(ValueError, match="unknown draw"):
        read_circuits(Graph.from_model(atlas), "second")
