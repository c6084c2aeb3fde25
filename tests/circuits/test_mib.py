"""Files of EAP-IG and MIB: what is written is read again, groups are shared out, signs are theirs, bad files say so."""

import json

import pytest
import torch

from helpers import Circuit, Graph, exact_scores, logit_diff, run_circuit
from helpers.circuits.scores import Scores, read_mib, write_mib

PLAIN, GROUPED = Graph(2, 4, 4), Graph(2, 4, 2)


def scores_of(graph: Graph) -> Scores:
    values = torch.randn(graph.edges.shape, generator=torch.Generator().manual_seed(0))
    return Scores(graph, values.masked_fill(~graph.edges, 0))


@pytest.mark.parametrize("graph", [PLAIN, GROUPED])
def test_what_is_written_is_read_again(tmp_path, graph):
    scores, circuit = scores_of(graph), scores_of(graph).top(20)
    write_mib(tmp_path / "s.json", scores, 64)
    write_mib(tmp_path / "c.json", circuit, 64)
    read = read_mib(tmp_path / "s.json", graph)
    torch.testing.assert_close(read.values, scores.values)
    assert read_mib(tmp_path / "c.json", graph) == circuit
    if graph is PLAIN:
        assert read_mib(tmp_path / "c.json") == circuit, "the file says the size itself"


def test_the_file_is_laid_out_as_theirs(tmp_path):
    circuit = Circuit.from_edges(GROUPED, ["embed->a0.kv1<v>", "a0.h2->m0", "m0->logits"])
    write_mib(tmp_path / "c.json", circuit, 64)
    raw = json.loads((tmp_path / "c.json").read_text())
    assert raw["cfg"] == {"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": False, "d_model": 64}
    assert len(raw["edges"]) == PLAIN.n_edges, "they have a key and a value edge for each head"
    kept = {name for name, edge in raw["edges"].items() if edge["in_graph"]}
    assert kept == {"input->a0.h2<v>", "input->a0.h3<v>", "a0.h2->m0", "m0->logits"}
    used = {name for name, node in raw["nodes"].items() if node["in_graph"]}
    assert used == {"input", "a0.h2", "a0.h3", "m0", "logits"}
    assert list(raw["nodes"])[:2] == ["input", "a0.h0"] and list(raw["nodes"])[-1] == "logits"


def test_a_group_is_the_sum_of_its_heads(tmp_path):
    write_mib(tmp_path / "s.json", scores_of(PLAIN), 64)
    grouped = read_mib(tmp_path / "s.json", GROUPED)
    plain = scores_of(PLAIN).values
    pair = plain[PLAIN.place("embed->a1.h2<k>")] + plain[PLAIN.place("embed->a1.h3<k>")]
    torch.testing.assert_close(grouped.values[GROUPED.place("embed->a1.kv1<k>")], pair)


def test_their_exact_score_has_our_sign(small):
    """Theirs is the loss with the edge cut, less the loss as it is; the loss is minus the logit difference."""
    model, pairs = small
    scores, graph = exact_scores(model, pairs), Graph.from_model(model)
    best = graph.name(*divmod(int(scores.values.argmax()), len(graph.sources)))
    cut = run_circuit(model, Circuit.full(graph) - Circuit.from_edges(graph, [best]), pairs)
    losses = [-logit_diff(logits, pairs).mean() for logits in (cut, pairs.clean_logits(model))]
    theirs = losses[0] - losses[1]
    assert theirs > 0.01
    torch.testing.assert_close(scores.values[graph.place(best)], theirs, atol=1e-4, rtol=1e-3)


def test_bad_files_are_explained(tmp_path):
    path = tmp_path / "x.json"
    write_mib(path, scores_of(PLAIN), 64)
    raw = json.loads(path.read_text())
    first = next(iter(raw["edges"]))
    cases = {
        "KeyError at 'cfg'": {},
        "lacks the edge": raw | {"edges": {k: v for k, v in raw["edges"].items() if k != first}},
        "has 111 edges": raw | {"edges": raw["edges"] | {"m9->logits": {"score": 0.0, "in_graph": False}}},
        "it is of 3 layers and 4 heads": raw | {"cfg": raw["cfg"] | {"n_layers": 3}},
        "no finite score": raw | {"edges": raw["edges"] | {first: {"score": float("nan"), "in_graph": True}}},
    }
    for said, content in cases.items():
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=f"x.json isn't a graph of EAP-IG or MIB: .*{said}"):
            read = read_mib(path, PLAIN)
            read.top(3)
    with pytest.raises(FileNotFoundError, match="missing"):
        read_mib(tmp_path / "none.json")
