"""Many single cuts at once are the same as the circuits of all other edges, one by one."""

import pytest
import torch

from helpers import Circuit, Graph, logit_diff, run_circuit
from helpers.studies.graph_construction.cuts import cut_costs, edges_into, readers_of


@pytest.mark.parametrize("ablation", ["corrupt", "mean", "zero"])
def test_each_cut_is_the_circuit_of_all_other_edges(small, ablation):
    model, pairs = small
    graph = Graph.from_model(model)
    keys = edges_into(graph, graph.reader_of("a1.h3", "k"))
    cuts = ["m1->logits", keys, keys[0], f"m0->{graph.reader_of('a1.h0', 'v')}", "a0.h1->m1", "embed->a0.h2<q>"]
    costs = cut_costs(model, cuts, pairs, ablation, reference=pairs)
    whole, full = logit_diff(pairs.clean_logits(model), pairs), Circuit.full(graph)
    for cut, cost in zip(cuts, costs, strict=True):
        left = full - Circuit.from_edges(graph, [cut] if isinstance(cut, str) else cut)
        lost = whole - logit_diff(run_circuit(model, left, pairs, ablation, reference=pairs), pairs)
        torch.testing.assert_close(cost, lost, atol=2e-5, rtol=1e-3)
    assert costs.abs().max(1).values.min() > 0


def test_a_cut_is_into_one_reader(small):
    model, pairs = small
    with pytest.raises(ValueError, match="not into 2"):
        cut_costs(model, [["embed->m0", "embed->logits"]], pairs)
    with pytest.raises(ValueError, match="no source"):
        cut_costs(model, ["m7->logits"], pairs)


def test_edges_and_readers_of_a_part():
    graph = Graph(3, 4, 2)
    assert edges_into(graph, "m0") == ["embed->m0", *(f"a0.h{h}->m0" for h in range(4))]
    assert edges_into(graph, "a1.kv0<v>")[-1] == "m0->a1.kv0<v>"
    assert readers_of(graph, "a1.h3") == ["a1.h3<q>", "a1.kv1<k>", "a1.kv1<v>"]
    assert readers_of(graph, "m1") == ["m1"] and readers_of(graph, "embed") == []
    every = {edge for reader in graph.readers for edge in edges_into(graph, reader)}
    assert every == set(Circuit.full(graph).edges)
