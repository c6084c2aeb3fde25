"""Circuits chosen by score."""

import pytest
import torch

from helpers import Circuit, Graph, Scores

GRAPH = Graph(2, 2, 2)


@pytest.fixture
def scores():
    generator = torch.Generator().manual_seed(0)
    return Scores(GRAPH, torch.randn(GRAPH.edges.shape, generator=generator).masked_fill(~GRAPH.edges, 0))


def test_the_best_edges_by_signed_score(scores):
    ranked = sorted(Circuit.full(GRAPH).edges, key=lambda e: -scores.values[GRAPH.place(e)])
    for n in (0, 1, 7, GRAPH.n_edges):
        assert set(scores.top(n).edges) == set(ranked[:n])
    assert scores.above(0.0).n_edges == int((scores.values > 0).sum())


def test_greedy_grows_from_the_logits(scores):
    """The plain algorithm, written out again: the best edge among those into nodes that are already in."""
    chosen: set[str] = set()
    for n in range(1, 30):
        opened = {"logits"} | {edge.split("->")[0] for edge in chosen}
        candidates = [
            e for e in Circuit.full(GRAPH).edges if e not in chosen and e.split("->")[1].split("<")[0] in opened
        ]
        chosen.add(max(candidates, key=lambda e: scores.values[GRAPH.place(e)].item()))
        assert set(scores.greedy(n).edges) == chosen


def test_greedy_opens_the_group_of_a_head():
    graph = Graph(1, 4, 2)
    values = torch.zeros(graph.edges.shape)
    for edge, value in {"a0.h3->logits": 3.0, "embed->a0.kv1<v>": 2.0, "embed->a0.kv0<v>": 9.0}.items():
        values[graph.place(edge)] = value
    assert set(Scores(graph, values).greedy(2).edges) == {"a0.h3->logits", "embed->a0.kv1<v>"}


@pytest.mark.parametrize("choose", ["top", "greedy"])
def test_too_many_edges_are_refused(scores, choose):
    with pytest.raises(ValueError, match=f"has {GRAPH.n_edges} edges"):
        getattr(scores, choose)(GRAPH.n_edges + 1)
    assert getattr(scores, choose)(GRAPH.n_edges) == Circuit.full(GRAPH)


def test_ties_are_broken_by_the_graphs_order():
    flat = Scores(GRAPH, torch.zeros(GRAPH.edges.shape))
    assert flat.top(3).edges == Circuit.full(GRAPH).edges[:3]


def test_scores_print_as_one_line():
    graph = Graph(2, 4, 2)
    values = torch.zeros(graph.edges.shape)
    values[graph.place("m0->a1.h2<q>")] = 1.234
    assert repr(Scores(graph, values)) == f"Scores({graph.n_edges} edges, best m0->a1.h2<q> 1.23)"
