"""A circuit without its backup is incomplete, one with it isn't; what is knocked out is what a hook replaces."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from by_hooks import hooks_of

from helpers import Circuit, Graph
from helpers.atlas.planted import OUT, TOKEN, WORDS, feature, finished, pairs_of_tokens, small_blank
from helpers.circuits.metrics import logit_diff
from helpers.circuits.scores import Scores
from helpers.studies.which_search import completeness
from helpers.studies.which_search.completeness import complete_rows, drawn_nodes, incompleteness, knocked_out, without


@pytest.fixture(scope="module")
def backed():
    """Both MLPs turn the last token into the answer, so that either is the other's backup; and pairs."""
    model = small_blank()
    d_model = model.config.n_embd
    with torch.no_grad():
        for block in model.transformer.h:
            for neuron, word in enumerate(WORDS):
                block.mlp.c_fc.weight[:, neuron] = 2 * feature(TOKEN + word, d_model)
                block.mlp.c_proj.weight[neuron] = 2 * feature(OUT + word, d_model)
    bridge = finished(model)
    rows = [([5, word], [5, other], word, other) for word in (1, 2, 3) for other in (1, 2, 3) if word != other]
    return bridge, pairs_of_tokens(bridge, rows)


def of_edges(*names):
    """A search that finds these edges; all others are as good as each other."""

    def search(model, pairs):
        graph = Graph.from_model(model)
        return Scores(graph, Circuit.from_edges(graph, names).mask.float())

    return search


def test_a_circuit_without_its_backup_is_incomplete(backed, monkeypatch):
    model, pairs = backed
    monkeypatch.setattr(completeness, "NODES", (1,))
    first, second = ("embed->m0", "m0->logits"), ("embed->m1", "m1->logits")
    searches = {"half": of_edges(*first), "both": of_edges(*first, *second)}
    tables = [
        pd.DataFrame(complete_rows(model, {name: search}, pairs, pairs, size)).set_index("measure")
        for (name, search), size in zip(searches.items(), (2, 4), strict=True)
    ]
    half, both = tables
    assert half.sets.iloc[0] == 1 and both.sets.iloc[0] == 2  # m0; m0 and m1
    assert half.value["circuit"] == pytest.approx(0, abs=1e-3) and 0.3 < half.value["model"] < 0.7
    assert half.value["incompleteness"] == half.value["worst"] == pytest.approx(half.value["model"], abs=1e-3)
    assert both.value["worst"] < 1e-3 and 0.3 < both.value["circuit"] < 0.7
    assert (half.pairs == len(pairs)).all() and (half.low <= half.value).all() and (half.value <= half.high).all()


def test_nodes_are_knocked_out_as_by_a_hook(small):
    model, pairs = small
    full, group = Circuit.full(Graph.from_model(model)), pairs.groups()[0][1]
    (ours,), (whole,) = knocked_out(model, full, group, [("m0",)])
    assert torch.equal(ours, whole)
    name, _ = hooks_of(model, "m0")
    _, cache = model.run_with_cache(group.corrupt_tokens)
    logits = model.run_with_hooks(group.clean_tokens, fwd_hooks=[(name, lambda *_, **__: cache[name])])[:, -1]
    torch.testing.assert_close(ours, logit_diff(logits, group).double(), atol=1e-4, rtol=1e-4)


def test_all_edges_out_of_the_nodes_are_gone(small):
    graph = Graph.from_model(small[0])
    rest = without(Circuit.full(graph), ("a0.h1", "m1"))
    gone = Circuit.full(graph) - rest
    assert set(gone.edges) == {edge for edge in Circuit.full(graph) if edge.split("->")[0] in ("a0.h1", "m1")}


def test_sets_are_of_the_circuits_nodes_and_differ():
    graph = Graph(2, 4, 4)
    circuit = Circuit.from_edges(graph, ["embed->a0.h0<v>", "a0.h0->m0", "m0->logits", "a1.h2->logits"])
    for count, most in ((0, 1), (1, 3), (2, 3), (3, 1), (4, 0)):
        sets = drawn_nodes(circuit, count, 8)
        assert len(sets) == len(set(sets)) == most
        assert all(len(set(nodes)) == count and set(nodes) <= {"a0.h0", "m0", "a1.h2"} for nodes in sets)


def test_distances_are_taken_set_by_set():
    """One set takes more from the circuit, another more from the model: in the mean they are alike, and incomplete."""
    scale = SimpleNamespace(full=torch.tensor([4.0, 4.0]), ablated=torch.tensor([0.0, 0.0]))
    circuit, model = (
        torch.tensor([[4.0, 4.0], [0.0, 0.0], [2.0, 2.0]]),
        torch.tensor([[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]),
    )
    found = incompleteness(circuit, model, scale)
    assert found["circuit"] == found["model"] == 0.5
    assert found["incompleteness"] == pytest.approx(1 / 3) and found["worst"] == 0.5
