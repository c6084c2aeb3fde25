"""Masks over weights: counting, drawing, and a model that comes back bit by bit."""

import pytest
import torch

from helpers.editing.weights import named_weights
from helpers.models.network import read_network
from helpers.studies.editing_inside_circuits.masks import (
    ParameterMask,
    drawn_from,
    full_mask,
    mask_parts,
    maskable,
    masked,
    random_mask,
    top_mask,
    weight_type,
)


def mask(*parts):
    return ParameterMask({f"w{i}": torch.tensor(part, dtype=torch.bool) for i, part in enumerate(parts)})


@pytest.fixture(scope="module")
def planted_model():
    from small_models import planted_chain

    return planted_chain().model


def test_counts_by_hand():
    one, two = mask([1, 1, 0, 0], [1, 0]), mask([1, 0, 1, 0], [1, 0])
    assert one.counts == {"w0": 2, "w1": 1} and (one.size, one.total, one.share) == (3, 6, 0.5)
    assert (~one).counts == {"w0": 2, "w1": 1} and (one & ~one).size == 0
    assert one.jaccard(two) == 2 / 4 and one.jaccard(one) == 1 and one.jaccard(~one) == 0
    assert one.chance_jaccard(two) == pytest.approx((2 * 2 / 4 + 1 * 1 / 2) / (6 - 1.5))
    empty = mask([0], [0])
    assert empty.jaccard(empty) != empty.jaccard(empty), "nan"


def test_chance_is_the_mean_of_random_masks():
    one, two = mask([1] * 30 + [0] * 70, [1] * 40 + [0] * 10), mask([1] * 20 + [0] * 80, [1] * 25 + [0] * 25)
    drawn = [random_mask(one, s).jaccard(random_mask(two, 1000 + s)) for s in range(300)]
    assert one.chance_jaccard(two) == pytest.approx(sum(drawn) / 300, abs=0.01)


def test_random_masks_have_the_size_and_the_profile():
    like = mask([1] * 30 + [0] * 70, [1] * 45 + [0] * 5)
    assert random_mask(like, 1).counts == like.counts
    other = random_mask(like, 1, profile=False)
    assert other.size == like.size and other.counts != like.counts
    assert random_mask(like, 1).jaccard(random_mask(like, 1)) == 1
    assert random_mask(like, 1).jaccard(random_mask(like, 2)) < 1


def test_drawing_from_a_mask_stays_inside_and_takes_all_where_there_are_too_few():
    like = mask([1] * 30 + [0] * 70, [1] * 45 + [0] * 5)
    outside = drawn_from(~like, like.counts)
    assert (outside & like).size == 0 and outside.counts == {"w0": 30, "w1": 5}


def test_the_highest_scores_of_all_tensors_stay():
    found = top_mask({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[2.0], [0.0]])}, 0.5)
    assert found.kept["a"].tolist() == [True, False] and found.kept["b"].tolist() == [[True], [False]]
    assert top_mask({"a": torch.zeros(10)}, 0.3).size == 3, "ties don't make it larger"
    with pytest.raises(ValueError, match="between 0 and 1, not 1.5"):
        top_mask({"a": torch.zeros(3)}, 1.5)


def test_what_can_be_masked(atlas):
    inner, every = maskable(atlas), maskable(atlas, embeddings=True)
    assert not any("wte" in name or "qkv" in name for name in inner) and len(every) == len(inner) + 2
    assert {weight_type(name) for name in every} >= {"embedding", "positions", "LayerNorm", "bias", "MLP in"}
    assert sum(w.numel() for w in inner.values()) == 2_669_568
    with pytest.raises(ValueError, match="no type for the weight"):
        weight_type("backbone.layers.0.mixer.in_proj.weight")


def test_every_weight_of_either_shape_has_a_type(small):
    model, _ = small
    inner, every = maskable(model), maskable(model, embeddings=True)
    kinds = [weight_type(name) for name in inner]
    llama = "MLP gate" in kinds
    assert llama == (read_network(model).W_pos is None)
    assert {weight_type(n) for n in every.keys() - inner.keys()} == (
        {"embedding"} if llama else {"embedding", "positions"}
    )
    for kind in ("attention Q", "attention K", "attention V", "attention O", "MLP in", "MLP out"):
        assert kinds.count(kind) == 2, "one in each layer"
    assert kinds.count("LayerNorm") == (5 if llama else 10) and ("bias" in kinds) != llama
    parts = mask_parts(full_mask(model))
    assert parts.kept.sum() == sum(w.numel() for w in inner.values())


def test_every_masked_weight_is_zero_and_all_come_back(planted_model):
    before = {name: w.clone() for name, w in named_weights(planted_model).items()}
    chosen = random_mask(full_mask(planted_model), 0)
    chosen = drawn_from(chosen, {name: n // 2 for name, n in chosen.counts.items()}, 3)
    with pytest.raises(RuntimeError, match="stop"), masked(planted_model, chosen):
        for name, part in chosen.kept.items():
            now = named_weights(planted_model)[name]
            assert torch.equal(now, before[name] * part) and not now.requires_grad
        raise RuntimeError("stop")
    after = named_weights(planted_model)
    assert all(torch.equal(after[name], w) for name, w in before.items())


def test_bad_masks(planted_model):
    with pytest.raises(ValueError, match="no weight 'w0'"), masked(planted_model, mask([1])):
        pass
    name = next(iter(maskable(planted_model)))
    wrong = ParameterMask({name: torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match=r"has shape \[2\]"), masked(planted_model, wrong):
        pass
    for one, two in ((mask([1], [0]), mask([1])), (mask([1]), mask([1], [0]))):
        with pytest.raises(ValueError, match="different weights"):
            one.jaccard(two)


def test_parts_add_up(atlas):
    whole = full_mask(atlas)
    half = random_mask(top_mask({n: torch.rand(p.shape) for n, p in whole.kept.items()}, 0.25), 0)
    parts = mask_parts(half).set_index("type")
    assert parts.kept.sum() == half.size and parts.of.sum() == whole.size
    assert parts.composition.sum() == pytest.approx(1) and parts.modules.sum() == len(whole.kept)
    assert parts.fraction["MLP in"] == pytest.approx(0.25, abs=0.01) and parts.kept_modules.sum() == 0
    assert mask_parts(whole).kept_modules.sum() == len(whole.kept)
