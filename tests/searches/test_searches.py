"""Each search equals an independent route to the same numbers, and finds circuits that are known."""

from dataclasses import replace

import pytest
import torch
from by_hooks import their_name
from transformer_lens.tools.analysis import attribution_patching

from helpers import (
    Circuit,
    Graph,
    acdc,
    eap,
    eap_ig,
    edge_pruning,
    exact_scores,
    kl,
    logit_diff,
    random_circuit,
    relation_pairs,
    run_circuit,
)
from helpers.circuits.ablation import scenes
from helpers.circuits.circuit import permute_heads
from helpers.circuits.metrics import match_nll, prob_diff
from helpers.circuits.scores import Scores
from helpers.searches.attribution import clean_corrupted
from helpers.searches.edge_pruning import masked_logits
from helpers.searches.exact import exact_sample
from helpers.studies.edge_pruning.plain_acdc import plain_acdc

ABLATIONS = ("corrupt", "zero", "mean")


def mask_gradient(model, pairs, metric, ablation):
    """The gradient of the mean metric with respect to the edge mask, by autograd through the masked run."""
    graph = Graph.from_model(model)
    total = torch.zeros(graph.edges.shape)
    for _, scene in scenes(model, pairs, ablation):
        mask = graph.edges.float().requires_grad_()
        metric(masked_logits(scene, graph, mask), scene.pairs).sum().backward()
        total += mask.grad / len(pairs)
    return total.masked_fill(~graph.edges, 0)


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("metric", [logit_diff, match_nll])
def test_eap_is_the_gradient_of_the_edge_mask(small, metric, ablation):
    model, pairs = small
    expected = metric.sign * mask_gradient(model, pairs, metric, ablation)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(eap(model, pairs, metric, ablation=ablation).values, expected, atol=1e-6, rtol=1e-3)


def test_eap_at_the_corrupt_end_is_eap_of_the_swapped_pairs(small):
    model, pairs = small
    swapped = replace(pairs, clean_ids=pairs.corrupt_ids, corrupt_ids=pairs.clean_ids)
    torch.testing.assert_close(
        eap(model, pairs, at="corrupt").values, -eap(model, swapped).values, atol=1e-6, rtol=1e-3
    )


def test_eap_agrees_with_transformer_lens(atlas, with_gradients):
    """Their gradient is taken at the corrupt run, their edges are split by position."""
    graph, pairs = Graph.from_model(atlas), relation_pairs(atlas, "country_language", 3)
    expected = torch.zeros(graph.edges.shape)
    for i in range(len(pairs)):
        pair = pairs.select([i])
        theirs = attribution_patching.attribution_patch(
            atlas,
            pair.clean_tokens,
            pair.corrupt_tokens,
            lambda logits, pair=pair: logit_diff(logits[:, -1], pair)[0],
            attribution_patching.EdgeAttributionConfig(granularity="edge"),
        )
        for (source, reader), score in theirs.edge_scores.items():
            expected[graph.place(f"{their_name(source, graph)}->{their_name(reader, graph)}")] += score / len(pairs)
    ours = eap(atlas, pairs, at="corrupt").values
    assert expected.abs().max() > 0.1
    assert (ours - expected).abs().max() < 1e-4


def test_clean_corrupted_is_the_mean_of_both_ends(small):
    model, pairs = small
    both = (eap(model, pairs).values + eap(model, pairs, at="corrupt").values) / 2
    torch.testing.assert_close(clean_corrupted(model, pairs).values, both, atol=1e-6, rtol=1e-4)


def test_integration_points(small):
    """With one step, the left end is the corrupt run and the right end the clean one; middles need few."""
    model, pairs = small
    for points, at in (("left", "corrupt"), ("right", "clean")):
        one = eap_ig(model, pairs, steps=1, points=points).values
        torch.testing.assert_close(one, eap(model, pairs, at=at).values, atol=1e-6, rtol=1e-4)
    fine = eap_ig(model, pairs, steps=64).values
    errors = {
        p: (eap_ig(model, pairs, steps=8, points=p).values - fine).abs().max() for p in ("left", "midpoint", "right")
    }
    assert errors["midpoint"] < 0.3 * min(errors["left"], errors["right"]), "midpoints need fewer steps"


def test_integrated_gradients_of_activations_add_up(small):
    """Over all edges out of the last MLP, the integral of a gradient along a line is the difference of its ends."""
    model, pairs = small
    graph = Graph.from_model(model)
    edge = f"m{graph.n_layers - 1}->logits"
    scores = eap_ig(model, pairs, steps=128, variant="activations").values
    cut = run_circuit(model, Circuit.full(graph) - Circuit.from_edges(graph, [edge]), pairs)
    effect = (logit_diff(pairs.clean_logits(model), pairs) - logit_diff(cut, pairs)).mean()
    torch.testing.assert_close(scores[graph.place(edge)], effect, atol=1e-4, rtol=1e-2)


def test_the_activations_variant_is_the_plain_loop(small):
    """For the first layer's heads: mix their outputs, run the rest, and take the gradient of each later reader."""
    model, pairs = small
    group = pairs.groups()[0][1]
    graph = Graph.from_model(model)
    scene = next(scenes(model, group, "corrupt"))[1]
    from helpers.circuits.gradients import reader_gradients

    net, layer = scene.net, scene.net.layers[0]
    from helpers.models.run import head_writes

    clean, _ = scene.clean
    new, old = head_writes(layer, clean.heads[0]), head_writes(layer, scene.ablated.heads[0])
    expected = torch.zeros(graph.edges.shape)
    rows = graph.source_rows(0)
    for share in (0.25, 0.75):
        resid = clean.embed + torch.lerp(old, new, share).sum(0) + layer.b_O
        metric = lambda last: logit_diff(net.unembed(last), group)  # noqa: E731
        for sublayer, gradients in reader_gradients(net, resid, metric, scene.past, 1):
            score = torch.einsum("rbpd,sbpd->rs", gradients, new - old)
            expected[graph.reader_rows(sublayer), rows] += score / (2 * len(group))
    ours = eap_ig(model, group, steps=2, variant="activations").values[:, rows]
    torch.testing.assert_close(ours, expected[:, rows], atol=1e-6, rtol=1e-4)


def test_scores_do_not_depend_on_the_batch(small):
    model, pairs = small
    twice = pairs.select([*range(len(pairs))] * 2)
    for search in (eap, eap_ig, exact_scores):
        once = search(model, pairs).values
        torch.testing.assert_close(search(model, twice).values, once, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(search(model, pairs, batch=2).values, once, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("metric", [prob_diff, kl])
def test_exact_scores_are_one_run_for_each_edge(small, metric, ablation, monkeypatch):
    """Also where the edges into a sublayer come in several parts."""
    monkeypatch.setattr("helpers.searches.exact.TOKENS_AT_ONCE", 7 * sum(map(len, small[1].clean_ids)))
    model, pairs = small
    graph = Graph.from_model(model)
    logits = pairs.clean_logits(model)
    own = metric.beside(logits)
    whole = own(logits, pairs).mean()
    scores = exact_scores(model, pairs, metric, ablation=ablation)
    for edge in Circuit.full(graph).edges[::3]:
        cut = run_circuit(model, Circuit.full(graph) - Circuit.from_edges(graph, [edge]), pairs, ablation)
        expected = metric.sign * (whole - own(cut, pairs).mean())
        torch.testing.assert_close(scores.values[graph.place(edge)], expected, atol=2e-6, rtol=1e-3)


@pytest.mark.parametrize(
    ("metric", "tau", "ablation"),
    [(logit_diff, 0.01, "corrupt"), (kl, 0.001, "corrupt"), (logit_diff, 0.001, "zero"), (kl, 0.001, "mean")],
)
def test_acdc_is_the_plain_sweep(small, metric, tau, ablation):
    model, pairs = small
    assert acdc(model, pairs, metric, tau=tau, ablation=ablation) == plain_acdc(
        model, pairs, metric, tau=tau, ablation=ablation
    )


def test_acdc_is_the_plain_sweep_in_batches(small):
    model, pairs = small
    expected = plain_acdc(model, pairs, logit_diff, tau=0.001)
    assert 10 < expected.n_edges < 70
    assert acdc(model, pairs, logit_diff, tau=0.001, batch=2) == expected


SEARCHES = {
    "eap": eap,
    "eap at the corrupt end": lambda model, pairs: eap(model, pairs, at="corrupt"),
    "eap_ig": eap_ig,
    "eap_ig, activations": lambda model, pairs: eap_ig(model, pairs, variant="activations"),
    "clean_corrupted": clean_corrupted,
    "exact_scores": exact_scores,
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_put_a_planted_circuit_first(planted, name):
    """Every true edge above every other one: an area under the ROC curve of 1."""
    graph = Graph.from_model(planted.model)
    truth = Circuit.from_edges(graph, planted.edges)
    values = SEARCHES[name](planted.model, planted.pairs).values
    assert values[truth.mask].min() > 100 * values[(~truth).mask].max()
    assert values[truth.mask].min() > 0.1, "positive: the edges help"


def test_learned_masks_find_a_planted_circuit(planted):
    scores = edge_pruning(planted.model, planted.pairs, n_edges=len(planted.edges), steps=150)
    assert set(scores.top(len(planted.edges)).edges) == planted.edges
    assert scores.above(0.0) == scores.top(len(planted.edges)), "the gates of the circuit are open, all others closed"


def test_masks_that_begin_with_scores_need_fewer_steps(planted):
    model, pairs, few = planted.model, planted.pairs, dict(n_edges=len(planted.edges), steps=1)
    begun = edge_pruning(model, pairs, start=eap(model, pairs), **few)
    assert set(begun.top(len(planted.edges)).edges) == planted.edges
    assert set(edge_pruning(model, pairs, **few).top(len(planted.edges)).edges) != planted.edges


@pytest.mark.parametrize(("metric", "tau"), [(logit_diff, 0.1), (kl, 0.01), (match_nll, 0.01)])
def test_acdc_returns_exactly_a_planted_circuit(planted, metric, tau):
    assert set(acdc(planted.model, planted.pairs, metric, tau=tau).edges) == planted.edges


def test_the_decoy_is_active_but_not_found(planted):
    net_writes = next(scenes(planted.model, planted.pairs, "corrupt"))[1].clean[0]
    assert net_writes.heads[0][:, :, 1].abs().max() > 0.1
    assert not any(edge.startswith("a0.h1") for edge in planted.edges)


def test_random_circuits():
    graph = Graph(3, 4, 4)
    one, same, other = (random_circuit(graph, 50, seed=seed) for seed in (0, 0, 1))
    assert one == same != other and one.n_edges == 50
    other = random_circuit(graph, like=one, seed=1)
    assert other != one and other.jaccard(one) < 0.6
    for axis, rows in ((0, graph.source_rows), (1, graph.reader_rows)):
        for sublayer in range(2 * graph.n_layers):
            degrees = [c.mask.sum(axis)[rows(sublayer)].sort().values for c in (one, other)]
            assert torch.equal(*degrees), "each layer keeps its degrees"
    grouped = Graph(1, 4, 2)
    together = Circuit.from_edges(grouped, ["embed->a0.kv0<v>", "embed->a0.h1<q>", "a0.h1->logits"])
    for seed in range(20):
        circuit = random_circuit(grouped, like=together, seed=seed)
        assert circuit.pruned() == circuit, "a head moves with its readers and its group"
    shares = torch.stack([random_circuit(graph, 50, seed=seed).mask.float() for seed in range(300)]).mean(0)
    assert (shares[graph.edges] - 50 / graph.n_edges).abs().max() < 0.12, "every edge is equally likely"


def test_move_heads_by_hand():
    graph = Graph(2, 3, 3)
    circuit = Circuit.from_edges(graph, ["embed->a0.h0<q>", "a0.h0->a1.h2<v>", "a1.h2->logits", "m0->m1"])
    moved = permute_heads(circuit, [[1, 0, 2], [2, 1, 0]])
    assert set(moved.edges) == {"embed->a0.h1<q>", "a0.h1->a1.h0<v>", "a1.h0->logits", "m0->m1"}
    assert permute_heads(moved, [[1, 0, 2], [2, 1, 0]]) == circuit, "these orders are their own inverses"
    grouped = Graph(1, 4, 2)
    together = Circuit.from_edges(grouped, ["embed->a0.kv0<v>", "a0.h1->logits"])
    assert set(permute_heads(together, [[2, 3, 0, 1]]).edges) == {"embed->a0.kv1<v>", "a0.h3->logits"}
    with pytest.raises(ValueError, match="tears the heads of a key/value group apart"):
        permute_heads(together, [[0, 2, 1, 3]])
    with pytest.raises(ValueError, match="there must be 2 orders, each with the heads 0 to 2 once"):
        permute_heads(circuit, [[0, 1, 1], [0, 1, 2]])


def test_wrong_arguments_are_explained(planted):
    model, pairs = planted.model, planted.pairs
    graph = Graph.from_model(model)
    with pytest.raises(ValueError, match="tau has to be greater than 0, not 0"):
        acdc(model, pairs, tau=0)
    with pytest.raises(ValueError, match="eap: at has to be 'clean' or 'corrupt', not 'middle'"):
        eap(model, pairs, at="middle")
    with pytest.raises(ValueError, match="variant has to be 'inputs' or 'activations', not 'nodes'"):
        eap_ig(model, pairs, variant="nodes")
    with pytest.raises(ValueError, match="steps has to be greater than or equal to 1, not 0"):
        eap_ig(model, pairs, steps=0)
    with pytest.raises(ValueError, match="n_edges has to be greater than or equal to 1"):
        edge_pruning(model, pairs, n_edges=0)
    with pytest.raises(ValueError, match="start is of .*, the model has .*; take scores of this model"):
        edge_pruning(model, pairs, n_edges=1, start=Scores(Graph(3, 4, 4), Graph(3, 4, 4).edges.float()))
    with pytest.raises(ValueError, match="give the number of edges, or a circuit"):
        random_circuit(graph)
    with pytest.raises(ValueError, match=f"the graph has {graph.n_edges} edges, not 100000"):
        random_circuit(graph, 100_000)


def test_a_sample_of_exact_scores(small):
    """The sampled edges have the scores that all edges have, and each kind of reader its share."""
    model, pairs = small
    whole, graph = exact_scores(model, pairs), Graph.from_model(model)
    table = exact_sample(model, pairs, 40)
    expected = [whole.values[graph.place(edge)].item() for edge in table.edge]
    assert table.score.tolist() == pytest.approx(expected, abs=1e-5)
    counts, there = table.kind.value_counts(), graph.edges.sum(1)
    assert table.edge.is_unique and len(table) == 40 and set(counts.index) == {"q", "k", "v", "MLP", "logits"}
    assert counts["logits"] == min(there[-1], 8) and counts[["q", "k", "v"]].max() - counts[["q", "k", "v"]].min() <= 8
    assert len(exact_sample(model, pairs, graph.n_edges)) == graph.n_edges
    assert not exact_sample(model, pairs, 20, seed=1).equals(exact_sample(model, pairs, 20))
