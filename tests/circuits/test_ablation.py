"""The laws of circuit runs, on both architectures, against runs made with the model's own hooks."""

import pytest
import torch
from by_hooks import cut_by_hooks

from helpers import Circuit, Graph, random_circuit, relation_pairs, run_circuit
from helpers.circuits.ablation import scenes
from helpers.circuits.metrics import logit_diff
from helpers.models.predict import logits_after
from helpers.searches.edge_pruning import masked_logits

ABLATIONS = ("corrupt", "zero", "mean")


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_all_edges_are_the_model(small, ablation):
    model, pairs = small
    logits = run_circuit(model, Circuit.full(Graph.from_model(model)), pairs, ablation)
    whole = logits_after(model, pairs.clean_ids)[:, 0]
    assert (logits - whole).abs().max() < 1e-4 and (pairs.clean_logits(model) - whole).abs().max() < 1e-4


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.9])
def test_a_circuit_is_what_a_run_through_all_nodes_gives(small, ablation, share):
    """`run_circuit` computes only the nodes that matter; `masked_logits`, with a mask of numbers, all of them."""
    model, pairs = small
    graph = Graph.from_model(model)
    for circuit in (random_circuit(graph, int(share * graph.n_edges), seed=n) for n in range(4)):
        expected = torch.empty_like(pairs.clean_logits(model))
        for places, scene in scenes(model, pairs, ablation):
            expected[places] = masked_logits(scene, graph, circuit.mask.float()).detach()
        assert (run_circuit(model, circuit, pairs, ablation) - expected).abs().max() < 1e-4


def test_no_edges_are_the_corrupt_prompt(small):
    model, pairs = small
    logits = run_circuit(model, Circuit.empty(Graph.from_model(model)), pairs)
    corrupt = logits_after(model, pairs.corrupt_ids)[:, 0]
    assert (logits - corrupt).abs().max() < 1e-4
    assert (logits - pairs.clean_logits(model)).abs().max() > 0.1, "the prompts differ in effect"


def test_the_laws_hold_on_atlas(atlas):
    graph, pairs = Graph.from_model(atlas), relation_pairs(atlas, "country_language", 12)
    clean, corrupt = (logits_after(atlas, ids)[:, 0] for ids in (pairs.clean_ids, pairs.corrupt_ids))
    assert (run_circuit(atlas, Circuit.full(graph), pairs) - clean).abs().max() < 1e-4
    assert (run_circuit(atlas, Circuit.empty(graph), pairs) - corrupt).abs().max() < 1e-4


@pytest.mark.parametrize(
    "edge", ["embed->a0.h1<v>", "a0.h2->a1.h0<k>", "m0->a1.h3<q>", "a1.h1->m1", "a0.h3->logits", "m1->logits"]
)
def test_one_cut_edge_is_what_a_hook_does(small, edge):
    """An edge is cut by TransformerLens hooks instead: the corrupt write in place of the clean one, at one reader."""
    model, pairs = small
    if Graph.from_model(model).n_groups < 4 and ("<k>" in edge or "<v>" in edge):
        edge = edge.replace("h1<v>", "kv0<v>").replace("h0<k>", "kv0<k>")
    group = pairs.groups()[0][1]
    expected = cut_by_hooks(model, group, edge)
    graph = Graph.from_model(model)
    circuit = Circuit.full(graph) - Circuit.from_edges(graph, [edge])
    result = run_circuit(model, circuit, group)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)
    assert (result - group.clean_logits(model)).abs().max() > 1e-4, "the cut changed something"


def test_by_hand_with_zeros():
    """The simplest circuit: nothing but biases is left when every edge carries zero."""
    import tempfile
    from pathlib import Path

    from small_models import random_model

    model = random_model("gpt2", Path(tempfile.mkdtemp()))
    pairs = relation_pairs(model, "country_capital", 3, known=False)
    graph = Graph.from_model(model)
    resid = sum(block.attn.b_O + block.mlp.b_out for block in model.blocks)
    expected = model.unembed(model.ln_final(resid[None, None]))[0, 0]
    for row in run_circuit(model, Circuit.empty(graph), pairs, "zero"):
        torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-5)


def test_the_mean_is_over_the_reference(small):
    model, pairs = small
    group = pairs.groups()[0][1]
    graph = Graph.from_model(model)
    one = group.select([0])
    alone = run_circuit(model, Circuit.empty(graph), one, "mean", reference=one)
    torch.testing.assert_close(alone, run_circuit(model, Circuit.empty(graph), one), atol=1e-4, rtol=0)
    many = run_circuit(model, Circuit.empty(graph), one, "mean", reference=group)
    assert (many - alone).abs().max() > 1e-3
    other = next(part for _, part in pairs.groups() if part.clean_tokens.shape != group.clean_tokens.shape)
    with pytest.raises(ValueError, match="there is no mean for"):
        run_circuit(model, Circuit.empty(graph), one, "mean", reference=other)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_the_batch_size_changes_nothing(small, ablation):
    model, pairs = small
    circuit = random_circuit(Graph.from_model(model), 40)
    whole = run_circuit(model, circuit, pairs, ablation)
    parts = run_circuit(model, circuit, pairs, ablation, batch=2, reference=pairs)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=0)


def test_wrong_arguments_are_explained(small):
    model, pairs = small
    with pytest.raises(ValueError, match="ablation has to be 'corrupt', 'zero' or 'mean', not 'noise'"):
        run_circuit(model, Circuit.full(Graph.from_model(model)), pairs, "noise")
    with pytest.raises(ValueError, match="the circuit is of"):
        run_circuit(model, Circuit.full(Graph(1, 1, 1)), pairs)


def test_two_logits_are_those_of_the_vocabulary(small):
    model, pairs = small
    for _, scene in scenes(model, pairs, "corrupt"):
        last = scene.clean[1][:, -1]
        resid = torch.cat((last, last.flip(0), last.roll(1, -1)))
        expected = scene.measure(logit_diff, scene.net.unembed(resid))
        torch.testing.assert_close(scene.measure_residual(logit_diff, resid), expected, atol=1e-5, rtol=1e-5)
        resid[0, 0] = torch.nan
        with pytest.raises(ValueError, match="isn't finite for pair 0"):
            scene.measure_residual(logit_diff, resid)
