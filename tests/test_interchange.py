"""Files of the EAP-IG library, read and written."""

import json

import pytest
import torch

from helpers import Circuit, Graph, Scores, read_eap_ig, write_eap_ig

GRAPH = Graph(2, 2, 2)


def test_a_circuit_comes_back(tmp_path):
    scores = Scores(GRAPH, torch.randn(GRAPH.edges.shape).masked_fill(~GRAPH.edges, 0))
    circuit = scores.top(12)
    path = tmp_path / "graph.json"
    write_eap_ig(path, circuit, d_model=16, scores=scores)
    back, values = read_eap_ig(path)
    assert back == circuit
    torch.testing.assert_close(values.values, scores.values)


def test_the_file_is_as_theirs(tmp_path):
    """The layout of the library's own ``Graph.to_json``: input for embed, every node and edge, a logits node."""
    path = tmp_path / "graph.json"
    write_eap_ig(path, Circuit.from_edges(GRAPH, ["embed->a1.h0<k>", "a1.h0->logits"]), d_model=16)
    raw = json.loads(path.read_text())
    assert raw["cfg"] == {"n_layers": 2, "n_heads": 2, "parallel_attn_mlp": False, "d_model": 16}
    assert set(raw["nodes"]) == {"input", "a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1", "logits"}
    assert {name for name, node in raw["nodes"].items() if node["in_graph"]} == {"input", "a1.h0", "logits"}
    assert len(raw["edges"]) == GRAPH.n_edges and raw["edges"]["input->a1.h0<k>"] == {"score": 0.0, "in_graph": True}


def test_a_file_written_by_hand_is_read(tmp_path):
    edges = {"input->m0": {"score": 0.5, "in_graph": True}, "m0->logits": {"score": -1, "in_graph": False}}
    raw = {"cfg": {"n_layers": 1, "n_heads": 1, "d_model": 4, "parallel_attn_mlp": False}, "nodes": {}, "edges": edges}
    (tmp_path / "g.json").write_text(json.dumps(raw))
    circuit, scores = read_eap_ig(tmp_path / "g.json")
    assert circuit.edges == ("embed->m0",)
    assert scores.values[circuit.graph.place("m0->logits")] == -1


def test_what_cannot_be_told_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no grouped queries"):
        write_eap_ig(tmp_path / "g.json", Circuit.full(Graph(1, 4, 2)), d_model=8)
    (tmp_path / "g.json").write_text("[]")
    with pytest.raises(ValueError, match=r"g\.json isn't a graph that the EAP-IG library wrote"):
        read_eap_ig(tmp_path / "g.json")
    raw = {"cfg": {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": True}, "nodes": {}, "edges": {}}
    (tmp_path / "g.json").write_text(json.dumps(raw))
    with pytest.raises(ValueError, match="run in parallel"):
        read_eap_ig(tmp_path / "g.json")
