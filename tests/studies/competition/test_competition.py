"""Strengths, predictions and scaled circuits, beside slow references and by hand."""

import math

import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from helpers import Circuit, Graph, eap_ig, logit_diff, run_circuit
from helpers.statistics import judge, roc_area
from helpers.studies.competition import judged
from helpers.studies.competition.competition import circuit_contribution, predict_winner, scale_edges, steer_between
from helpers.studies.competition.conflicts import fact_conflicts


@pytest.fixture(scope="module")
def conflicts(atlas):
    return fact_conflicts(atlas, "landmark_country", 8, repeated=[2], split="test")


@pytest.fixture(scope="module")
def circuits(atlas, conflicts):
    return [eap_ig(atlas, pairs).greedy(60) for pairs in (conflicts.first, conflicts.second)]


def test_the_whole_graph_has_the_whole_effect(atlas, conflicts):
    full = Circuit.full(Graph.from_model(atlas))
    corrupt = torch.cat([atlas(torch.tensor([ids]))[:, -1] for ids in conflicts.first.corrupt_ids])
    effect = logit_diff(conflicts.first.clean_logits(atlas), conflicts.first) - logit_diff(corrupt, conflicts.first)
    assert torch.allclose(circuit_contribution(atlas, full, conflicts.first), effect, atol=1e-3)
    assert circuit_contribution(atlas, full - full, conflicts.first).abs().max() < 1e-4


def test_the_prediction_adds_up_what_was_measured_apart(atlas, conflicts, circuits):
    table = predict_winner(atlas, conflicts, *circuits)
    corrupt = torch.cat([atlas(torch.tensor([ids]))[:, -1] for ids in conflicts.both.corrupt_ids])
    assert torch.allclose(torch.tensor(table.start), logit_diff(corrupt, conflicts.both).double(), atol=1e-3)
    assert torch.allclose(
        torch.tensor(table["second"]), circuit_contribution(atlas, circuits[1], conflicts.second).double()
    )
    expected = table.start + table["first"] - table.second
    pd.testing.assert_series_equal(table.predicted, expected, check_names=False)
    measured = logit_diff(conflicts.both.clean_logits(atlas), conflicts.both).double()
    assert torch.equal(torch.tensor(table.measured), measured)


def test_factors_zero_and_one(atlas, conflicts, circuits):
    pairs = conflicts.both
    assert torch.allclose(scale_edges(atlas, pairs, [(circuits[0], 1.0)]), pairs.clean_logits(atlas), atol=1e-3)
    cut = run_circuit(atlas, ~circuits[0], pairs)
    assert torch.allclose(scale_edges(atlas, pairs, [(circuits[0], 0.0)]), cut, atol=1e-3)


def test_a_factor_scales_what_an_edge_carries(atlas, conflicts):
    """An edge into the logits, scaled by hand: the residual before the final norm gets that much more of it."""
    from helpers.circuits.ablation import run_writes
    from helpers.models.network import read_network

    net, graph, pairs = read_network(atlas), Graph.from_model(atlas), conflicts.both.select([0])
    clean, resid = run_writes(net, pairs.clean_tokens)
    corrupt, _ = run_writes(net, pairs.corrupt_tokens)
    difference = (clean.mlps[0] - corrupt.mlps[0])[:, -1]
    by_hand = net.unembed(resid[:, -1] + 1.5 * difference)
    edge = Circuit.from_edges(graph, ["m0->logits"])
    assert torch.allclose(scale_edges(atlas, pairs, [(edge, 2.5)]), by_hand, atol=1e-3)


def test_an_edge_has_one_factor(atlas, conflicts, circuits):
    with pytest.raises(ValueError, match="share edges"):
        scale_edges(atlas, conflicts.both, [(circuits[0], 1.0), (circuits[0], 2.0)])


def test_the_area_is_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    guess = torch.rand(5, 40, generator=generator).round(decimals=1)  # with ties
    truth = (torch.rand(5, 40, generator=generator) > 0.4).float()
    ours = roc_area(guess, truth)
    for row in range(5):
        assert abs(ours[row].item() - roc_auc_score(truth[row], guess[row])) < 1e-9
    assert roc_area(guess[0], torch.ones(40)) == 0.5


def test_judge_by_hand():
    verdict = judge([2.0, 1.0, -1.0, -2.0], [1.0, -1.0, 1.0, -1.0])
    assert verdict["accuracy"] == 0.5 and verdict["AUC"] == 0.75
    assert verdict["accuracy"].low <= 0.5 <= verdict["accuracy"].high


def test_where_one_side_always_wins_there_is_no_order_to_predict():
    verdict = judge([1.0, -1.0], [2.0, 3.0])
    assert verdict["accuracy"] == 0.5 and math.isnan(verdict["AUC"])


def test_steering_changes_nothing_at_zero_and_cuts_at_one(atlas, conflicts, circuits):
    first, second = circuits
    pairs = conflicts.both
    low, middle, high = steer_between(atlas, pairs, first, second, (-1.0, 0.0, 1.0))
    assert torch.allclose(middle, logit_diff(pairs.clean_logits(atlas), pairs), atol=1e-3)
    for gap, (up, down) in ((high, (first, second)), (low, (second, first))):
        turned = scale_edges(atlas, pairs, [(up - down, 2.0), (down - up, 0.0)])
        assert torch.allclose(gap, logit_diff(turned, pairs), atol=1e-3)


def test_a_prediction_gains_nothing_on_itself_and_all_on_its_opposite():
    truth = torch.linspace(-1, 1, 40).tolist()
    table = pd.DataFrame({"measured": truth, "start": truth, "found": truth, "whole": [-t for t in truth]})
    same, most = judged.area_gain(table, "start"), judged.area_gain(table, "whole model")
    assert same.row() == (0, 0, 0) and most.low == 1 == judged.area(table, "two circuits")


def test_how_far_steering_moves_by_hand():
    table = pd.DataFrame({"found > copy": [-1.0, -1.0, 1.0, 1.0], "found > memory": [1.0, 1.0, 1.0, -1.0]})
    table["random > copy"] = table["random > memory"] = 1.0
    assert judged.moved(table, ["found"]) == 0.25 == judged.moved_more(table, ["random"])
