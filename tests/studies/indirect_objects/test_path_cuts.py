"""Edges cut by one run from the reader's layer on cost what the circuit without them says."""

import pytest
import torch

from helpers import Graph, with_interval
from helpers.circuits.evaluation import cut_effect, edges_from
from helpers.studies.indirect_objects.name_swaps import name_swaps
from helpers.studies.indirect_objects.path_cuts import Cut, cut_costs


def test_cuts_are_those_of_circuits(atlas):
    pairs, graph = name_swaps(atlas, 6)["other subject"], Graph.from_model(atlas)
    cuts = [
        Cut(["a0.h1", "a0.h3", "m0"], ["a3.h0", "a4.h2"], "q"),
        Cut(["m1"], ["a2.h5"], "v"),
        Cut(["a1.h2", "a0.h4"], ["a5.h1"], "k"),
        Cut(["a0.h0", "a3.h3"]),
    ]
    for cut, costs in zip(cuts, cut_costs(atlas, pairs, cuts), strict=True):
        edges = edges_from(graph, cut.sources, cut.heads or None, cut.letter)
        assert with_interval(costs) == pytest.approx(cut_effect(atlas, pairs, edges), abs=2e-3)
    assert cut_costs(atlas, pairs, cuts).abs().max() > 0.5


def test_shared_keys_are_cut_together(small):
    model, pairs = small
    graph = Graph.from_model(model)
    for letter in "qkv":
        cut = Cut(["a0.h1", "m0"], ["a1.h1"], letter)
        edges = edges_from(graph, cut.sources, cut.heads, letter)
        costs = cut_costs(model, pairs, [cut])[0]
        torch.testing.assert_close(costs.mean().item(), float(cut_effect(model, pairs, edges)), atol=1e-3, rtol=0)


def test_a_source_that_comes_too_late_is_refused(atlas):
    pairs = name_swaps(atlas, 1)["other subject"]
    with pytest.raises(ValueError, match="'m2' doesn't come before layer 2"):
        cut_costs(atlas, pairs, [Cut(["m2"], ["a2.h0"])])
