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


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (torch.zeros(GRAPH.edges.shape, dtype=torch.long), "floating-point tensor .* not torch.int64"),
        (GRAPH.edges, "floating-point tensor .* not torch.bool"),
        (torch.zeros(3, 3), r"floating-point tensor .* not torch.float32 \(3, 3\)"),
        (torch.zeros(GRAPH.edges.shape, device="meta"), "floating-point tensor"),
        ([[0.0]], "floating-point tensor .* not list"),
        (torch.full(GRAPH.edges.shape, torch.nan), "46 of 46 edges have no finite score; embed->a0.h0<q> has nan"),
        (torch.full(GRAPH.edges.shape, -torch.inf), "no finite score; .* has -inf"),
    ],
)
def test_scores_are_a_finite_number_for_each_edge(values, says):
    with pytest.raises(ValueError, match=says):
        Scores(GRAPH, values)


def test_scores_are_their_own_and_stay_finite(scores):
    values = scores.values.half().requires_grad_()
    own = Scores(GRAPH, values)
    with torch.no_grad():
        values.zero_()
    assert own.top(9) == Scores(GRAPH, scores.values.half()).top(9)
    assert Scores(GRAPH, scores.values.masked_fill(~GRAPH.edges, torch.nan)).top(9) == scores.top(9), "no edges"
    scores.values[-1, 0] = torch.nan
    for choose in (lambda: scores.top(3), lambda: scores.greedy(3), lambda: scores.above(0)):
        with pytest.raises(ValueError, match="1 of .* edges have no finite score; embed->logits has nan"):
            choose()


@pytest.mark.parametrize("choose", ["top", "greedy"])
@pytest.mark.parametrize("n", [0.03, 2.0, True, -1, "3", None, float("nan")])
def test_a_size_is_a_whole_number(scores, choose, n):
    with pytest.raises(ValueError, match=f"{choose}: n has to be"):
        getattr(scores, choose)(n)


@pytest.mark.parametrize("threshold", [float("nan"), "0", None, True])
def test_a_threshold_is_a_number(scores, threshold):
    with pytest.raises(ValueError, match="above: threshold has to be"):
        scores.above(threshold)


def test_scores_print_as_one_line():
    graph = Graph(2, 4, 2)
    values = torch.zeros(graph.edges.shape)
    values[graph.place("m0->a1.h2<q>")] = 1.234
    assert repr(Scores(graph, values)) == f"Scores({graph.n_edges} edges, best m0->a1.h2<q> 1.23)"
