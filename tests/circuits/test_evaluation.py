"""Faithfulness and its relatives: by hand, against TransformerLens, and on a circuit that is known."""

import copy

import pytest
import torch
from transformer_lens.tools.analysis import attribution_patching

from helpers import (
    Circuit,
    Graph,
    completeness,
    cpr_cmd,
    eap,
    eap_ig,
    faithfulness,
    logit_diff,
    random_circuit,
    relation_pairs,
    run_circuit,
)
from helpers.circuits.evaluation import SIZES, baselines, kept_hits, minimality, smallest_circuit
from helpers.circuits.metrics import hit_at_k, match_nll
from helpers.statistics import Estimate, bootstrap, brief_table, grouped_mean, percent_table, with_interval


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
    top = logit_diff(pairs.reference, pairs).mean()
    result = faithfulness(model, circuit, pairs)
    assert float(result) == pytest.approx(((value - bottom) / (top - bottom)).item(), abs=1e-5)
    assert result.low <= result <= result.high and result.low < result.high
    assert float(completeness(model, circuit, pairs)) == float(faithfulness(model, ~circuit, pairs))


def test_faithfulness_agrees_with_transformer_lens(atlas, with_gradients):
    graph, pairs = Graph.from_model(atlas), relation_pairs(atlas, "country_language", 3)
    circuit = eap(atlas, pairs).top(40)
    for i in range(len(pairs)):
        pair = pairs.select([i])
        metric = lambda logits, pair=pair: logit_diff(logits[:, -1], pair)[0]  # noqa: E731
        scored = attribution_patching.attribution_patch(
            atlas, pair.clean_tokens, pair.corrupt_tokens, metric,
            attribution_patching.EdgeAttributionConfig(granularity="edge"),
        ).edge_scores  # fmt: skip
        from test_searches import their_name

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
    with pytest.raises(ValueError, match="unknown selection 'best'; choose top or greedy"):
        from inspect import unwrap

        unwrap(cpr_cmd)(planted.model, lambda n: None, planted.pairs, select="best")


def test_kept_hits(atlas):
    pairs = relation_pairs(atlas, "country_language", 12)
    graph = Graph.from_model(atlas)
    assert kept_hits(atlas, Circuit.full(graph), pairs, lambda x, p: hit_at_k(x, p, 1)) == 1
    assert kept_hits(atlas, Circuit.empty(graph), pairs, lambda x, p: hit_at_k(x, p, 1)) == 0


def test_the_bootstrap_interval_covers():
    """Of many samples with a known mean, about 95 of 100 intervals hold it."""
    generator = torch.Generator().manual_seed(0)
    hits = []
    for _ in range(200):
        estimate = bootstrap(lambda x: x.mean(-1), torch.randn(40, generator=generator))
        hits.append(estimate.low <= 0 <= estimate.high)
    assert 0.88 < sum(hits) / len(hits) < 0.99
    one = bootstrap(lambda x: x.mean(-1), torch.tensor([1.0, 2.0]))
    again = copy.deepcopy(one)
    assert again == one and (again.low, again.high) == (one.low, one.high)
    assert repr(bootstrap(lambda x: x.mean(-1), torch.ones(5))) == "1.000 [1.000, 1.000]"
    nothing = with_interval([])
    empty = grouped_mean(torch.tensor([]), [])
    assert nothing != nothing and empty != empty and percent_table({"a": {"b": nothing}}).loc["a", "b"] == "-"


def test_a_grouped_mean_draws_whole_groups():
    values = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    alone = grouped_mean(values, range(8))
    plain = bootstrap(lambda drawn: drawn.mean(-1), values)
    assert (alone, alone.low, alone.high) == (plain, plain.low, plain.high), "groups of one are the plain bootstrap"
    repeated = grouped_mean(values.repeat_interleave(5), [i // 5 for i in range(40)])
    assert (repeated, repeated.low, repeated.high) == pytest.approx((plain, plain.low, plain.high))
    naive = bootstrap(lambda drawn: drawn.mean(-1), values.repeat_interleave(5))
    assert repeated.high - repeated.low > 1.5 * (naive.high - naive.low)
    uneven = grouped_mean(torch.tensor([1.0, 1.0, 1.0, 0.0]), ["a", "a", "a", "b"])
    assert uneven == 0.75 and (uneven.low, uneven.high) == (0, 1)


def test_with_interval_by_hand():
    drawn = with_interval([0.0, 1.0, 1.0, 1.0])
    assert drawn == 0.75 and drawn.low < 0.75 <= drawn.high == 1
    assert repr(drawn) == repr(bootstrap(lambda v: v.mean(-1), torch.tensor([0.0, 1.0, 1.0, 1.0])))
    assert with_interval([0.5, 0.5]).low == 0.5
    assert with_interval([False, True, True, True]) == grouped_mean([0, 1, 1, 1]) == drawn, "each a group of its own"


def test_percent_tables():
    def cells(estimates):
        return percent_table(estimates).map(lambda text: text.replace("\N{NO-BREAK SPACE}", " "))

    whole, wide = Estimate(1.0, 1.0, 1.0), Estimate(0.251, 0.1, 0.499)
    assert wide.brief() == "0.25 [0.10, 0.50]"
    assert brief_table({"a": {"x": whole, "y": wide}}).loc["a"].tolist() == ["1.00 [1.00, 1.00]", "0.25 [0.10, 0.50]"]
    table = cells({"a": {"x": whole, "y": wide}, "b": {"x": wide, "y": Estimate(-0.001, -0.2, 0.1)}})
    assert table.loc["a"].tolist() == ["100 [100, 100]", "25 [10, 50]"]
    assert table.loc["b"].tolist() == ["25 [10, 50]", "0 [-20, 10]"], "there is no minus zero"
    assert cells({("a", "b"): {"x": whole}}).index.nlevels == 2


def test_the_smallest_circuit_that_keeps_a_share(planted):
    scores = eap(planted.model, planted.pairs)
    circuit = smallest_circuit(planted.model, scores, planted.pairs, 0.95, logit_diff)
    assert faithfulness(planted.model, circuit, planted.pairs) >= 0.95
    smaller = scores.greedy(circuit.n_edges - 1)
    assert faithfulness(planted.model, smaller, planted.pairs) < 0.95
