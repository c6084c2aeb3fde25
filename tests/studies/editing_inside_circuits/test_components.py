"""Weights of heads and MLPs: which entries a head has, others of the same kinds, the same types anywhere."""

import pytest
import torch

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.editing.weights import named_weights, weights_restored
from helpers.models.network import read_network
from helpers.studies.editing_inside_circuits.components import (
    component_mask,
    components_of,
    other_components,
    same_types,
)
from helpers.studies.editing_inside_circuits.masks import mask_parts, maskable


def test_components_are_what_edges_name():
    graph = Graph(2, 2, 2)
    circuit = Circuit.from_edges(graph, ["embed->m0", "m0->a1.h1<v>", "a1.h1->logits"])
    assert components_of(circuit) == ("m0", "a1.h1")


def test_others_are_as_many_of_each_kind():
    graph = Graph(4, 4, 4)
    inside = ("a0.h1", "a2.h3", "m0")
    others = other_components(graph, inside, 1)
    assert not set(others) & set(inside) and len(set(others)) == 3
    assert [name[0] for name in sorted(others)] == ["a", "a", "m"]
    assert other_components(graph, inside, 1) == others != other_components(graph, inside, 2)
    with pytest.raises(ValueError, match="3 MLPs are inside and only 1 outside"):
        other_components(graph, ("m0", "m1", "m2"))


def test_a_mask_of_components_is_theirs(small):
    """Put every weight outside the mask to 0: the components are whole, all else is gone."""
    model, _ = small
    before = read_network(model)
    heads, groups = before.n_heads, before.n_groups
    whole = [w.clone() for w in (before.layers[1].W_Q, before.layers[1].W_V, before.layers[0].W_out)]
    mask = component_mask(model, ("m0", "a1.h1"))
    assert all(torch.equal(before.layers[1].W_Q, whole[0]) for _ in "1"), "the weights are back"
    places = named_weights(model)
    with weights_restored(places), torch.no_grad():
        for name, part in mask.kept.items():
            places[name].mul_(part)
        after = read_network(model)
        assert torch.equal(after.layers[0].W_out, whole[2])
        assert torch.equal(after.layers[1].W_Q[1], whole[0][1]) and not after.layers[1].W_Q[0].any()
        assert torch.equal(after.layers[1].W_V[groups // heads], whole[1][groups // heads]) or groups > 1
        assert not after.layers[1].W_out.any() and not after.layers[0].W_Q.any()


def test_all_components_are_all_matrices(atlas2):
    every = component_mask(atlas2, Graph.from_model(atlas2).sources[1:])
    matrices = sum(w.numel() for n, w in maskable(atlas2).items() if w.ndim == 2)
    assert every.size == matrices


def test_the_same_types_anywhere(atlas2):
    inside = component_mask(atlas2, ("m0", "a3.h2"))
    drawn = same_types(inside, 1)
    count = [mask_parts(mask).set_index("type").kept for mask in (inside, drawn)]
    assert count[0].equals(count[1]) and drawn.jaccard(same_types(inside, 1)) == 1
    assert drawn.jaccard(inside) < 0.2 and drawn.counts != inside.counts
