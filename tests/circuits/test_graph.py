"""Counts, names and sets of edges; pruning; files."""

import json
import os
import re
import tempfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import Circuit, Graph, random_circuit, run_circuit
from helpers.circuits.circuit import heads_of
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
    with pytest.raises(ValueError, match=r"x\.json .*circuit"):
        Circuit.load(tmp_path / "x.json")


BAD = {
    "other keys": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1, "d_model": 8}, "edges": []},
    "no edges": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}},
    "a billion layers": {"graph": {"n_layers": 10**9, "n_heads": 12, "n_groups": 12}, "edges": []},
    "a billion heads": {"graph": {"n_layers": 1, "n_heads": 10**9, "n_groups": 1}, "edges": []},
    "a fraction": {"graph": {"n_layers": 1.0, "n_heads": 1, "n_groups": 1}, "edges": []},
    "true": {"graph": {"n_layers": True, "n_heads": 1, "n_groups": 1}, "edges": []},
    "uneven groups": {"graph": {"n_layers": 1, "n_heads": 3, "n_groups": 2}, "edges": []},
    "a graph that is a list": {"graph": [1, 1, 1], "edges": []},
    "numbers": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}, "edges": [1, 2]},
    "a text": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}, "edges": "embed->m0"},
    "nothing": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}, "edges": None},
    "an unknown edge": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}, "edges": ["embed->m1"]},
    "an edge twice": {"graph": {"n_layers": 1, "n_heads": 1, "n_groups": 1}, "edges": ["embed->m0", "embed->m0"]},
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_circuit_can_be_is_not_read(tmp_path, name):
    (tmp_path / "x.json").write_text(json.dumps(BAD[name]))
    with pytest.raises(ValueError, match=r"x\.json isn't a circuit that Circuit.save wrote: "):
        Circuit.load(tmp_path / "x.json")


def test_graphs_of_other_tools_are_named(tmp_path):
    score = {"embed->m0": {"score": -0.28, "in_graph": True}}
    raw = {"cfg": {"n_layers": 1}, "nodes": {"input": True}, "edges": score}
    for part in (raw, {"edges": score}, {"cfg": {}}):
        (tmp_path / "x.json").write_text(json.dumps(part))
        with pytest.raises(ValueError, match="a graph of EAP-IG or MIB; read it with helpers.circuits.scores.read_mib"):
            Circuit.load(tmp_path / "x.json")


def test_files_that_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Circuit.full(ATLAS).save("~/mine.json")
    assert Circuit.load("~/mine.json") == Circuit.load(tmp_path / "mine.json") == Circuit.full(ATLAS)
    for place in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(
            FileNotFoundError, match="(a folder|missing); give the path of a circuit that Circuit.save wrote"
        ):
            Circuit.load(place)
    for place in (None, 3):
        with pytest.raises(ValueError, match="path has to be a valid string or an instance of Path, not"):
            Circuit.load(place)
        with pytest.raises(ValueError, match="path has to be a valid string or an instance of Path, not"):
            Circuit.full(ATLAS).save(place)
    whole = (tmp_path / "mine.json").read_bytes()
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="mine.json can't be written: No space left on device"):
        Circuit.empty(ATLAS).save("~/mine.json")
    assert (tmp_path / "mine.json").read_bytes() == whole and len([*tmp_path.iterdir()]) == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["embed->m0", "m0->logits"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
SIZES = st.integers(-1, 3) | st.integers() | VALUES
SHAPES = st.fixed_dictionaries({"n_layers": SIZES, "n_heads": SIZES, "n_groups": SIZES})
LIKE = st.fixed_dictionaries(
    {"graph": SHAPES | VALUES, "edges": VALUES | st.lists(st.sampled_from(["embed->m0", "m0->logits", "x"]))}
)


@settings(max_examples=150, deadline=5000)
@given(LIKE.map(json.dumps).map(str.encode) | VALUES.map(json.dumps).map(str.encode) | st.binary(max_size=50))
def test_any_file_is_a_circuit_or_named(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.json"
        path.write_bytes(content)
        try:
            assert isinstance(Circuit.load(path), Circuit)
        except ValueError as error:
            assert "any.json" in str(error)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((0, 1, 1), "n_layers has to be greater than or equal to 1, not 0"),
        ((1, -1, 1), "n_heads has to be greater"),
        ((1, 1, 0.5), "n_groups has to be a whole number, not 0.5"),
        (("6", 8, 8), "n_layers has to be a whole number, not '6'"),
        ((2, 4, 3), "4 heads can't be shared out evenly to 3 groups"),
        ((2, 2, 4), "2 heads can't be shared out evenly to 4 groups"),
        ((10**9, 1, 1), "too many edges; at most 134,217,728 places"),
        ((1, 10**400, 1), "too many edges; at most 134,217,728 places"),
    ],
)
def test_a_graph_has_a_shape_that_can_be(shape, says):
    with pytest.raises(ValueError, match=says):
        Graph(*shape)


def test_a_graph_holds_plain_numbers(tmp_path):
    graph = Graph(*np.array([2, 4, 2]))
    assert graph == Graph(2, 4, 2) and type(graph.n_layers) is int
    Circuit.full(graph).save(tmp_path / "c.json")
    with pytest.raises(ValueError, match="model has to be a model that load_model gave, not 'atlas'"):
        Graph.from_model("atlas")


def test_parts_that_a_graph_lacks_are_refused():
    graph = Graph(2, 4, 2)
    for head, letter, says in (
        ("a2.h0", "q", "no head of Graph"),
        ("a0.h4", "k", "no head of Graph"),
        ("m0", "q", "no head"),
    ):
        with pytest.raises(ValueError, match=says):
            graph.reader_of(head, letter)
    with pytest.raises(ValueError, match="letter has to be 'q', 'k' or 'v', not 'x'"):
        graph.reader_of("a0.h0", "x")
    for number in (-1, 19, 1.0, None, True, "0"):
        with pytest.raises(ValueError, match=f"there is no reader {number!r}: they have the numbers 0 to 18"):
            graph.source_of(number)
        with pytest.raises(ValueError, match="there is no reader"):
            graph.name(number, 0)
    with pytest.raises(ValueError, match="there is no source 11"):
        graph.name(0, 11)
    with pytest.raises(ValueError, match="m1 writes only after a0.h0<q> has read"):
        graph.name(0, 10)
    for edge in (None, 3, ["m0->m1"]):
        with pytest.raises(ValueError, match="is no name of an edge; edges are called like"):
            graph.place(edge)


def test_a_circuit_is_made_of_what_it_says():
    for mask in (ATLAS.edges.float(), ATLAS.edges.int(), ATLAS.edges.tolist(), ATLAS.edges.numpy(), None):
        with pytest.raises(ValueError, match="needs a boolean tensor .* not"):
            Circuit(ATLAS, mask)
    with pytest.raises(ValueError, match="graph has to be a Graph, not None"):
        Circuit(None, ATLAS.edges)
    for names in ("m0->m1", None, 3):
        with pytest.raises(ValueError, match="names has to be a list of edges"):
            Circuit.from_edges(ATLAS, names)
    for make in (Circuit.full, Circuit.empty, lambda graph: Circuit.from_edges(graph, [])):
        with pytest.raises(ValueError, match="graph has to be .*Graph, not 'atlas'"):
            make("atlas")
    with pytest.raises(ValueError, match="a circuit can be combined with a circuit, not with 3"):
        Circuit.full(ATLAS) | 3
    with pytest.raises(ValueError, match="circuit has to be an instance of Circuit, not None"):
        heads_of(None)


def test_a_mask_is_a_circuits_own():
    mask = ATLAS.edges.clone()
    circuit = Circuit(ATLAS, mask)
    mask[:] = False
    Circuit(ATLAS, ATLAS.edges).mask[:] = False
    assert circuit.n_edges == ATLAS.n_edges == 3_628


def test_nodes_are_those_with_an_edge():
    circuit = Circuit.from_edges(ATLAS, ["embed->a0.h0<v>", "a0.h0->m1", "m1->logits"])
    assert circuit.nodes == ("embed", "a0.h0", "m1")


def test_the_place_of_a_head():
    assert head_place("a2.h5") == (2, 5) and head_place("a11.h10") == (11, 10)
    for name in (
        "m0",
        "embed",
        "a1.kv0<k>",
        "a2.h5x",
        "A2.h5",
        "a-1.h2",
        "a02.h5",
        "a2.h5\n",
        "a٢.h5",
        "a2.h" + "9" * 99,
    ):
        with pytest.raises(ValueError, match=f"{re.escape(repr(name))} is no head"):
            head_place(name)
    for name in (None, 3, (2, 5)):
        with pytest.raises(ValueError, match="is no head; heads are called like 'a2.h5'"):
            head_place(name)


def test_a_circuit_prints_as_one_line():
    assert repr(Circuit.full(ATLAS)) == "Circuit(3,628 of 3,628 edges)"
    assert repr(Circuit.from_edges(ATLAS, ["m0->logits"])) == "Circuit(1 of 3,628 edges)"
