"""Function vectors: means, replacements and additions by two routes; a vector of a list does what the list does."""

import pytest
import torch

from helpers.circuits.metrics import match_nll
from helpers.models.predict import prompt_ids
from helpers.models.run import random_vector
from helpers.studies.in_context_learning.few_shot import as_pairs, few_shot_prompts
from helpers.studies.in_context_learning.function_vectors import (
    function_vector,
    indirect_effects,
    mean_writes,
    strongest,
    with_vector,
    with_writes,
)


@pytest.fixture(scope="module")
def lists(atlas):
    shots = few_shot_prompts("country_capital", 8, 3, split="train")
    return shots, mean_writes(atlas, shots), as_pairs(atlas, few_shot_prompts("country_capital", 6, 0))


def test_means_are_the_hooks(atlas, lists):
    shots, means, _ = lists
    total = 0.0
    for one in shots:
        _, cache = atlas.run_with_cache(torch.tensor([prompt_ids(atlas.tokenizer, one.prompt)]))
        z = cache["blocks.3.attn.hook_z"][0, -1].reshape(atlas.cfg.n_heads, -1)
        total = total + z[2] @ atlas.blocks[3].attn.W_O[2] / len(shots)
    assert torch.allclose(means[3, 2], total, atol=1e-4)


def test_either_shape_has_vectors(small):
    model, _ = small
    shots = few_shot_prompts("country_capital", 3, 1, split="train")
    means, pairs = mean_writes(model, shots), as_pairs(model, few_shot_prompts("country_capital", 2, 0))
    total = 0.0
    for one in shots:
        _, cache = model.run_with_cache(torch.tensor([prompt_ids(model.tokenizer, one.prompt)]))
        z = cache["blocks.1.attn.hook_z"][0, -1].reshape(model.cfg.n_heads, -1)
        total = total + z[2] @ model.blocks[1].attn.W_O[2] / len(shots)
    assert torch.allclose(means[1, 2], total, atol=1e-3)

    def add(resid, hook):
        resid[:, -1] += means[1, 2]
        return resid

    for number in range(len(pairs)):
        one = pairs.select([number])
        with model.hooks(fwd_hooks=[("blocks.1.hook_in", add)]):
            logits = model(one.clean_tokens)[:, -1]
        assert torch.allclose(with_vector(model, one, means[1, 2], 1), logits, atol=1e-2)
    effects = indirect_effects(model, pairs, means)
    assert effects.shape == (2, 4) and effects.abs().max() > 0


def test_own_writes_change_nothing(atlas, lists):
    _, _, pairs = lists
    one = pairs.select([0])
    own = mean_writes(atlas, few_shot_prompts("country_capital", 6, 0)[:1])
    assert torch.allclose(with_writes(atlas, one, own, ["a2.h1", "a4.h6"]), one.clean_logits(atlas), atol=1e-3)
    assert torch.equal(with_writes(atlas, one, own, []).argmax(-1), one.clean_logits(atlas).argmax(-1))


def test_adding_is_the_hooks_addition(atlas, lists):
    _, means, pairs = lists
    vector = function_vector(means, ["a2.h1", "a3.h2"])
    assert torch.allclose(vector, means[2, 1] + means[3, 2])

    def add(resid, hook):
        resid[:, -1] += vector
        return resid

    one = pairs.select([0])
    for layer in (0, 3):
        with atlas.hooks(fwd_hooks=[(f"blocks.{layer}.hook_in", add)]):
            logits = atlas(one.clean_tokens)[:, -1]
        added = with_vector(atlas, one, vector, layer)
        assert torch.allclose(added, logits, atol=1e-2) and (added - one.clean_logits(atlas)).abs().max() > 0.1
    assert torch.allclose(with_vector(atlas, pairs, 0 * vector, 2), pairs.clean_logits(atlas), atol=1e-3)


def test_effects_and_their_order(atlas, lists):
    _, means, pairs = lists
    effects = indirect_effects(atlas, pairs, means)
    logits = with_writes(atlas, pairs, means, ["a0.h7"])
    rise = match_nll(pairs.clean_logits(atlas), pairs).mean() - match_nll(logits, pairs).mean()
    assert effects[0, 7] == pytest.approx(rise.item(), abs=1e-4)
    assert strongest(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), 2) == ["a0.h1", "a1.h0"]


def test_the_vector_replaces_the_lines(atlas, lists):
    shots, means, pairs = lists
    alone = as_pairs(atlas, [s.without_lines() for s in shots])
    vector = function_vector(means, strongest(indirect_effects(atlas, alone, means)))
    right = with_vector(atlas, pairs, vector, 2).argmax(-1) == pairs.answer_ids
    noise = with_vector(atlas, pairs, random_vector(vector), 2).argmax(-1) == pairs.answer_ids
    assert right.float().mean() > 0.8 > noise.float().mean()
    assert random_vector(vector).norm().item() == pytest.approx(vector.norm().item(), rel=1e-4)


def test_bad_inputs(atlas, lists):
    _, means, pairs = lists
    with pytest.raises(ValueError, match="at least one"):
        function_vector(means, [])
    with pytest.raises(ValueError, match="from 0 to 5, not 6"):
        with_vector(atlas, pairs, means[0, 0], 6)


def test_random_directions_have_the_lengths():
    vectors = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
    drawn = random_vector(vectors, 1)
    assert torch.allclose(drawn.norm(dim=-1), torch.tensor([5.0, 2.0]))
    assert not torch.allclose(drawn, random_vector(vectors, 2))
