"""Weights grafted by part: none and all are the two models, and every part is somewhere."""

from dataclasses import fields

import pytest
import torch

from helpers import load_model, relation_pairs
from helpers.models.network import Layer, read_network
from helpers.models.predict import logits_after
from helpers.studies.how_circuits_form.grafts import (
    ATTENTION,
    LENGTHS,
    MLPS,
    OF_ATTENTION,
    PARTS,
    TOKENS,
    combined,
    graft_rows,
    grafted,
    lengthened,
)


@pytest.fixture(scope="module")
def nets(atlas2):
    return read_network(load_model("atlas2@600")), read_network(atlas2)


@pytest.fixture(scope="module")
def pairs(atlas2):
    return relation_pairs(atlas2, "comparative", 6, split="test")


def test_none_and_all_are_the_two_models(nets, pairs):
    early, late = nets
    for parts, net in (((), early), (PARTS, late)):
        assert torch.equal(
            logits_after(grafted(early, late, parts), pairs.clean_ids), logits_after(net, pairs.clean_ids)
        )


def test_a_graft_seen_from_the_other_side_is_the_rest(nets, pairs):
    early, late = nets
    one = logits_after(grafted(early, late, [ATTENTION]), pairs.clean_ids)
    assert torch.equal(one, logits_after(grafted(late, early, [MLPS, TOKENS]), pairs.clean_ids))


def test_attention_is_what_its_name_says(nets):
    assert set(OF_ATTENTION) < {field.name for field in fields(Layer)}
    early, late = nets
    mixed = grafted(early, late, [ATTENTION])
    assert mixed.layers[3].W_K is late.layers[3].W_K and mixed.layers[3].norm1 is late.layers[3].norm1
    assert mixed.layers[3].W_in is early.layers[3].W_in and mixed.layers[3].norm2 is early.layers[3].norm2
    assert mixed.W_E is early.W_E and mixed.norm is early.norm


def test_longer_vectors_point_where_they_did(nets):
    early, late = nets
    longer = lengthened(early, late)
    assert torch.allclose(longer.W_E.norm(dim=1), late.W_E.norm(dim=1), rtol=1e-4)
    assert torch.cosine_similarity(longer.W_E, early.W_E).min() > 0.999
    assert torch.equal(longer.W_U, longer.W_E.T)


def test_rows(nets, pairs):
    table = graft_rows(*nets, pairs).set_index("parts")
    assert len(list(combined())) == 8 and len(table) == 11 and LENGTHS in table.index
    assert table.right[" + ".join(PARTS)] == 1 > table.right["none"]


def test_bad_inputs(nets):
    with pytest.raises(ValueError, match="no part 'heads'; choose from attention"):
        grafted(*nets, ["heads"])
    with pytest.raises(ValueError, match="of one shape"):
        grafted(nets[0], read_network(load_model("atlas")), PARTS)
