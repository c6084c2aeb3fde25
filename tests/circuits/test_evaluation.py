"""Faithfulness and its relatives: by hand, against TransformerLens, and on a circuit that is known."""

import pytest
import torch
from by_hooks import their_name
from transformer_lens.tools.analysis import attribution_patching

from helpers import (
    Circuit,
    Graph,
    PromptPairs,
    completeness,
    cpr_cmd,
    eap,
    eap_ig,
    faithfulness,
    kl,
    logit_diff,
    random_circuit,
    relation_pairs,
    run_circuit,
)
from helpers.circuits.evaluation import SIZES, baselines, kept_hits
from helpers.circuits.metrics import hit_at_k, match_nll
from helpers.studies.atlas_of_circuits.choices import smallest_circuit
from helpers.studies.edge_pruning.minimality import minimality


def test_ends_of_the_scale(small):
    model, pairs = small
    graph = Graph.from_model(model)
    for metric in (logit_diff, match_nll):
        for ablation in ("corrupt", "zero", "mean"):
            full, empty = (
                faithfulness(model, circuit, pairs, metric, ablation=ablation)
                for circuit in (Circuit.full(graph), Circuit.empty(graph))
            )
            scale = baselines(model, pairs, metric, ablation)
            span = abs(scale.full.mean() - scale.ablated.mean()).item()
            rounding = 1e-4 + 1e-6 / span  # a metric in float32 is known to 1e-6; some spans here are 1e-3
            assert full == pytest.approx(1, abs=rounding) and empty == pytest.approx(0, abs=rounding)


def test_faithfulness_by_hand(small):
    model, pairs = small
    graph = Graph.from_model(model)
    circuit = random_circuit(graph, 60)
    value, bottom = (logit_diff(run_circuit(model, c, pairs), pairs).mean() for c in (circuit, Circuit.empty(graph)))
    top = logit_diff(pairs.clean_logits(model), pairs).mean()
    result = faithfulness(model, circuit, pairs)
    assert float(result) == pytest.approx(((value - bottom) / (top - bottom)).item(), abs=1e-5)
    assert result.low <= result <= result.high and result.low < result.high
    assert float(completeness(model, circuit, pairs)) == float(faithfulness(model, ~circuit, pairs))


def test_faithfulness_agrees_with_transformer_lens(atlas, with_gradients):
    graph, pairs = Graph.from_model(atlas), relation_pairs(atlas, "country_language", 2)
    circuit = eap(atlas, pairs).top(40)
    for i in range(len(pairs)):
        pair = pairs.select([i])
        metric = lambda logits, pair=pair: logit_diff(logits[:, -1], pair)[0]  # noqa: E731
        scored = attribution_patching.attribution_patch(
            atlas, pair.clean_tokens, pair.corrupt_tokens, metric,
            attribution_patching.EdgeAttributionConfig(granularity="edge"),
        ).edge_scores  # fmt: skip
        theirs = [e for e in scored if f"{their_name(e[0], graph)}->{their_name(e[1], graph)}" in circuit]
        expected = attribution_patching.faithfulness(atlas, pair.clean_tokens, pair.corrupt_tokens, metric, theirs)
        assert float(faithfulness(atlas, circuit, pair)) == pytest.approx(expected.recovered, abs=1e-4)


def test_a_planted_circuit_is_faithful_complete_and_minimal(planted):
    graph = Graph.from_model(planted.model)
    circuit = Circuit.from_edges(graph, planted.edges)
    assert faithfulness(planted.model, circuit, planted.pairs) == pytest.approx(1, abs=1e-3)
    assert completeness(planted.model, circuit, planted.pairs) == pytest.approx(0, abs=1e-3)
    idle = "embed->a0.h1<v>"
    table = minimality(planted.model, circuit | Circuit.from_edges(graph, [idle]), planted.pairs)
    assert set(table.edge) == {*planted.edges, idle} and table.edge.iloc[-1] == idle
    assert table.loss.iloc[-1] == pytest.approx(0, abs=1e-3) and (table.loss.iloc[:-1] > 0.2).all()
    assert (table.low <= table.loss).all() and (table.loss <= table.high).all()


def test_cpr_and_cmd(planted):
    curve = cpr_cmd(planted.model, eap_ig(planted.model, planted.pairs), planted.pairs)
    total = Graph.from_model(planted.model).n_edges
    assert curve.table.edges.tolist() == [int(s * total) for s in SIZES]
    enough = curve.table.edges >= len(planted.edges)
    assert curve.table.faithfulness[enough].to_numpy() == pytest.approx(1, abs=1e-3)
    f, x = torch.tensor(curve.table.faithfulness), torch.tensor(curve.table.share)
    assert curve.cpr == pytest.approx(torch.trapezoid(f, x).item())
    assert curve.cmd == pytest.approx(torch.trapezoid((1 - f).abs(), x).item())
    chance = cpr_cmd(planted.model, lambda n: random_circuit(Graph.from_model(planted.model), n), planted.pairs)
    assert chance.cpr < curve.cpr and chance.cmd > curve.cmd
    with pytest.raises(ValueError, match="cpr_cmd: select has to be 'top' or 'greedy', not 'best'"):
        cpr_cmd(planted.model, lambda n: None, planted.pairs, select="best")


def test_kept_hits(atlas):
    pairs = relation_pairs(atlas, "country_language", 12)
    graph = Graph.from_model(atlas)
    assert kept_hits(atlas, Circuit.full(graph), pairs, lambda x, p: hit_at_k(x, p, 1)) == 1
    assert kept_hits(atlas, Circuit.empty(graph), pairs, lambda x, p: hit_at_k(x, p, 1)) == 0


def test_both_ends_and_a_curve_print_as_one_line(planted):
    scale = baselines(planted.model, planted.pairs, logit_diff, "corrupt")
    ends = f"whole {scale.full.mean():.2f}, ablated {scale.ablated.mean():.2f}"
    assert repr(scale) == f"Baselines({len(planted.pairs)} pairs: {ends})"
    curve = cpr_cmd(planted.model, eap_ig(planted.model, planted.pairs), planted.pairs, sizes=(0.5, 1.0))
    assert repr(curve) == f"Curve(2 sizes, CPR {curve.cpr:.2f}, CMD {curve.cmd:.2f})"
    first, last = curve.table.faithfulness
    assert curve.cpr == pytest.approx((first + last) / 4), "one trapezoid of width one half"


def test_the_smallest_circuit_that_keeps_a_share(planted):
    scores = eap(planted.model, planted.pairs)
    circuit = smallest_circuit(planted.model, scores, planted.pairs, 0.95, logit_diff)
    assert faithfulness(planted.model, circuit, planted.pairs) >= 0.95
    smaller = scores.greedy(circuit.n_edges - 1)
    assert faithfulness(planted.model, smaller, planted.pairs) < 0.95


def test_a_share_of_nothing_is_refused(planted):
    model, circuit = planted.model, Circuit.from_edges(Graph.from_model(planted.model), planted.edges)
    same = PromptPairs.from_tokens(
        model,
        planted.pairs.clean_ids,
        planted.pairs.clean_ids,
        planted.pairs.answer_ids.tolist(),
        planted.pairs.wrong_ids.tolist(),
        alike=True,
    )
    with pytest.raises(ValueError, match=r"give the same logit_diff \(.*\), so there is nothing to keep a share of"):
        faithfulness(model, circuit, same)


def test_a_scale_is_of_its_pairs_and_of_the_model_as_it_is(small):
    model, pairs = small
    circuit = random_circuit(Graph.from_model(model), 60)
    scale = baselines(model, pairs, logit_diff, "corrupt")
    alone = faithfulness(model, circuit, pairs)
    assert faithfulness(model, circuit, pairs, scale=scale) == pytest.approx(alone, abs=1e-4)
    half = pairs.select(range(len(pairs) // 2))
    tries = [(half, logit_diff, "corrupt"), (pairs, match_nll, "corrupt"), (pairs, logit_diff, "zero")]
    for some, metric, ablation in tries:
        with pytest.raises(ValueError, match="measured for other pairs, another metric or ablation, or before"):
            faithfulness(model, circuit, some, metric, ablation=ablation, scale=scale)
    divergence = baselines(model, pairs, kl)
    alone = faithfulness(model, circuit, pairs, kl)
    assert faithfulness(model, circuit, pairs, kl, scale=divergence) == pytest.approx(alone, abs=1e-3)
    weight = model.original_model.lm_head.weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.mul_(2)
        with pytest.raises(ValueError, match="before the model changed"):
            faithfulness(model, circuit, pairs, kl, scale=divergence)
        with pytest.raises(ValueError, match="before the model changed; measure it again with baselines"):
            faithfulness(model, circuit, pairs, scale=scale)
        assert faithfulness(model, Circuit.full(circuit.graph), pairs) == pytest.approx(1, abs=1e-3)
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_sizes_of_a_curve_rise(planted):
    scores = eap(planted.model, planted.pairs)
    for sizes in ([1.0], [1.0, 0.5], [0.5, 0.5], []):
        with pytest.raises(ValueError, match="two sizes or more, the smallest first"):
            cpr_cmd(planted.model, scores, planted.pairs, sizes=sizes)
