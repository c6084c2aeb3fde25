"""Counts, names and sets of edges; pruning; files."""

import pytest
import torch

from helpers import Circuit, Graph, random_circuit, run_circuit
from helpers.circuits.graph import head_place

ATLAS = Graph(6, 8, 8)


@pytest.mark.parametrize(
    ("shape", "edges"),
    [((6, 8, 8), 3_628), ((12, 12, 12), 32_491), ((24, 16, 16), 231_877)],
    ids=["atlas", "gpt2", "gpt2-medium"],
)
def test_edges_are_counted(shape, edges):
    graph = Graph(*shape)
    assert graph.n_edges == edges == Circuit.full(graph).n_edges


def test_a_small_graph_by_hand():
    graph = Graph(1, 2, 1)
    assert graph.sources == ("embed", "a0.h0", "a0.h1", "m0")
    assert graph.readers == ("a0.h0<q>", "a0.h1<q>", "a0.kv0<k>", "a0.kv0<v>", "m0", "logits")
    attention = [f"embed->{reader}" for reader in graph.readers[:4]]
    mlp = ["embed->m0", "a0.h0->m0", "a0.h1->m0"]
    logits = ["embed->logits", "a0.h0->logits", "a0.h1->logits", "m0->logits"]
    assert Circuit.full(graph).edges == (*attention, *mlp, *logits)


def test_a_head_reads_where_its_group_does():
    graph, own = Graph(2, 4, 2), Graph(2, 4, 4)
    for number in range(4):
        head = f"a1.h{number}"
        for letter in "qkv":
            assert own.reader_of(head, letter) == f"{head}<{letter}>"
            row = graph.readers.index(graph.reader_of(head, letter))
            assert head in graph.sources[graph.source_of(row)]
    assert graph.reader_of("a1.h3", "v") == "a1.kv1<v>" and graph.reader_of("a1.h3", "q") == "a1.h3<q>"


def test_the_model_has_its_graph(atlas, small):
    assert Graph.from_model(atlas) == ATLAS
    model, _ = small
    assert Graph.from_model(model).n_groups == len(model.blocks[0].attn.W_K)


def test_names_and_places_belong_together():
    for reader, source in ATLAS.edges.nonzero().tolist():
        assert ATLAS.place(ATLAS.name(reader, source)) == (reader, source)


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ("m9->logits", "'m9' is no source"),
        ("m0->a2.h5", "'a2.h5' is no reader"),
        ("m2->a2.h5<v>", "m2 writes only after a2.h5<v> has read"),
        ("m2", "'' is no reader"),
    ],
)
def test_a_wrong_edge_says_what_is_wrong(edge, message):
    with pytest.raises(ValueError, match=message):
        Circuit.from_edges(ATLAS, [edge])


def test_a_mask_must_fit():
    with pytest.raises(ValueError, match="boolean"):
        Circuit(ATLAS, torch.zeros(3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="no edge"):
        Circuit(ATLAS, torch.ones_like(ATLAS.edges))


def test_set_operations():
    one, two = (Circuit.from_edges(ATLAS, names) for names in (["m0->m1", "m1->logits"], ["m1->logits", "m2->logits"]))
    assert (one | two).n_edges == 3 and (one & two).edges == ("m1->logits",)
    assert (one - two).edges == ("m0->m1",) and (one ^ two).n_edges == 2
    assert (one & two) <= one and not one <= two
    assert (~one).n_edges == ATLAS.n_edges - 2 and ~~one == one != two
    assert one.jaccard(two) == 1 / 3 and Circuit.empty(ATLAS).jaccard(Circuit.empty(ATLAS)) == 1
    assert "m0->m1" in one and "m2->logits" not in one and list(one) == ["m0->m1", "m1->logits"]
    with pytest.raises(ValueError, match="different graphs"):
        one | Circuit.full(Graph(1, 1, 1))


def test_pruning_keeps_what_is_on_a_path():
    chain = ["embed->a0.h0<v>", "a0.h0->m1", "m1->logits"]
    loose = ["m0->m1", "embed->a2.h1<q>", "a0.h0->a3.h0<k>"]  # from an unreached node, and into nodes that lead nowhere
    assert set(Circuit.from_edges(ATLAS, chain + loose).pruned().edges) == set(chain)
    assert Circuit.full(ATLAS).pruned() == Circuit.full(ATLAS)
    assert Circuit.from_edges(ATLAS, loose).pruned() == Circuit.empty(ATLAS)


def test_pruning_with_groups():
    graph = Graph(2, 4, 2)
    edges = ["embed->a0.kv1<v>", "a0.h3->logits", "embed->a0.kv0<v>"]
    assert Circuit.from_edges(graph, edges).pruned().edges == ("embed->a0.kv1<v>", "a0.h3->logits")


def test_pruning_changes_no_logit(small):
    model, pairs = small
    graph = Graph.from_model(model)
    for seed in range(5):
        circuit = random_circuit(graph, 25, seed=seed)
        pruned = circuit.pruned()
        assert pruned <= circuit and pruned != circuit
        torch.testing.assert_close(
            run_circuit(model, circuit, pairs), run_circuit(model, pruned, pairs), atol=1e-5, rtol=0
        )


def test_a_saved_circuit_is_the_same(small, tmp_path):
    model, pairs = small
    circuit = random_circuit(Graph.from_model(model), 30)
    circuit.save(tmp_path / "circuit.json")
    loaded = Circuit.load(tmp_path / "circuit.json")
    assert loaded == circuit
    assert torch.equal(run_circuit(model, loaded, pairs), run_circuit(model, circuit, pairs))


@pytest.mark.parametrize("text", ["{", "{}", '{"graph": {"n_layers": 1}, "edges": []}'])
def test_a_file_of_another_kind_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json isn't a circuit"):
        Circuit.load(tmp_path / "x.json")


def test_nodes_are_those_with_an_edge():
    circuit = Circuit.from_edges(ATLAS, ["embed->a0.h0<v>", "a0.h0->m1", "m1->logits"])
    assert circuit.nodes == ("embed", "a0.h0", "m1")


def test_the_place_of_a_head():
    assert head_place("a2.h5") == (2, 5) and head_place("a11.h10") == (11, 10)
    for name in ("m0", "embed", "a1.kv0<k>"):
        with pytest.raises(ValueError, match=f"'{name}' is no head"):
            head_place(name)


def test_a_circuit_prints_as_one_line():
    assert repr(Circuit.full(ATLAS)) == "Circuit(3,628 of 3,628 edges)"
    assert repr(Circuit.from_edges(ATLAS, ["m0->logits"])) == "Circuit(1 of 3,628 edges)"
