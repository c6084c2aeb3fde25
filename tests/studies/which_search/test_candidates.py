"""The judged searches and their baselines: by hand, and against what they must keep."""

import pytest
import torch

from helpers import Graph, Scores, acdc, eap, eap_ig, logit_diff
from helpers.atlas.planted import planted_induction
from helpers.circuits.evaluation import baselines
from helpers.studies.which_search.candidates import (
    BASELINES,
    MERGED,
    SEARCHES,
    SLOW,
    THRESHOLDS,
    acdc_scores,
    ensemble,
    head_permuted,
    information_flow,
    merged,
    proximity,
)


@pytest.fixture(scope="module")
def toy():
    return planted_induction()


def test_every_candidate_gives_scores_and_no_two_share_a_name(toy):
    named = {**SEARCHES, **SLOW, **BASELINES}
    assert len(named) == len(SEARCHES) + len(SLOW) + len(BASELINES)
    for name, search in named.items():
        scores = search(toy.model, toy.pairs)
        assert scores.graph == Graph.from_model(toy.model), name
        assert torch.equal(scores.values, search(toy.model, toy.pairs).values), f"{name} gives other scores again"


def test_proximity_by_hand():
    """Of (3, 1): (2, 0) brings it nearer by 2, (1, 2) by 1, (0, -1) takes away."""
    parts = torch.tensor([[2.0, 0.0], [1.0, 2.0], [0.0, -1.0]])
    assert proximity(parts, parts.sum(0)).tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    parts = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert proximity(parts, parts.sum(0)).tolist() == pytest.approx([0.75, 0.25])


def test_information_flow_shares_out_what_a_reader_reads(small):
    model, pairs = small
    scores = information_flow(model, pairs)
    graph = scores.graph
    torch.testing.assert_close(scores.values.sum(1), torch.ones(len(graph.readers)), atol=1e-4, rtol=0)
    assert scores.values[~graph.edges].abs().max() == 0 and (scores.values[graph.reader_rows(0), 0] == 1).all()
    parts = [information_flow(model, group).values * len(group) for _, group in pairs.groups(1)]
    torch.testing.assert_close(sum(parts) / len(pairs), scores.values, atol=1e-5, rtol=0)


def test_permuted_heads_keep_what_a_layer_has(small):
    model, pairs = small
    before, after = eap(model, pairs).values, head_permuted(model, pairs, eap).values
    graph = Graph.from_model(model)
    assert not torch.equal(before, after)
    for reads in range(2 * graph.n_layers + 1):
        for writes in range(-1, reads):
            block = graph.reader_rows(reads), graph.source_rows(writes)
            assert torch.equal(before[block].flatten().sort().values, after[block].flatten().sort().values)
    torch.testing.assert_close(before[:, 0][graph.reader_rows(1)], after[:, 0][graph.reader_rows(1)])


def test_an_ensemble_merges_ranks_by_hand():
    graph = Graph(1, 1, 1)
    places = graph.edges.nonzero().tolist()
    one, two = torch.zeros(graph.edges.shape), torch.zeros(graph.edges.shape)
    for n, place in enumerate(places):
        one[tuple(place)], two[tuple(place)] = -n, 100.0 * n
    first, second = Scores(graph, one), Scores(graph, two)
    ranks = torch.linspace(1, 0, len(places))
    for how, expected in (
        ("mean", torch.full_like(ranks, 0.5)),
        ("min", torch.minimum(ranks, ranks.flip(0))),
        ("max", torch.maximum(ranks, ranks.flip(0))),
    ):
        merged = ensemble([first, second], how).values[graph.edges]
        torch.testing.assert_close(merged, expected)
    assert ensemble([first]).top(3) == first.top(3)
    tied = torch.where(one == 0, 1.0, 0.0)  # only the first edge is above the others, which share the middle rank
    shared = ensemble([Scores(graph, tied)]).values[graph.edges]
    middle = (len(places) - 2) / 2 / (len(places) - 1)
    torch.testing.assert_close(shared, torch.tensor([1.0] + [middle] * (len(places) - 1)))
    with pytest.raises(ValueError, match="all are of one graph"):
        ensemble([first, Scores(Graph(2, 1, 1), torch.zeros(Graph(2, 1, 1).edges.shape))])
    with pytest.raises(ValueError, match="at least 1"):
        ensemble([])


def test_the_ensemble_and_acdc_are_made_of_what_they_say(toy):
    own = ensemble([SEARCHES[name](toy.model, toy.pairs) for name in MERGED])
    assert torch.equal(merged(toy.model, toy.pairs).values, own.values)
    scale = baselines(toy.model, toy.pairs)
    tau = THRESHOLDS[2] * (scale.full - scale.ablated).mean().item()
    found, scores = acdc(toy.model, toy.pairs, logit_diff, tau=tau), acdc_scores(toy.model, toy.pairs)
    assert isinstance(scores, Scores) and set(scores.values.unique().tolist()) <= set(range(len(THRESHOLDS) + 1))
    assert (scores.values[found.mask] >= 1).all() and set(scores.above(0.5).edges) == toy.edges


def test_random_baselines_are_drawn_for_the_pairs(toy):
    some = toy.pairs.select([0, 1, 2])
    at_random = BASELINES["random"]
    assert not torch.equal(at_random(toy.model, some).values, at_random(toy.model, toy.pairs).values)
    assert SEARCHES["EAP-IG"] is eap_ig
