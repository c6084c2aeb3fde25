"""Function vectors: means, replacements and additions by two routes; a vector of a list does what the list does."""

import pytest
import torch

from helpers.circuits.metrics import match_nll
from helpers.components.skill_heads import measure_repeats
from helpers.models.predict import prompt_ids
from helpers.models.run import random_vector
from helpers.studies.in_context_learning.few_shot import few_shot_prompts
from helpers.studies.in_context_learning.function_vectors import (
    function_vector,
    indirect_effects,
    induction_scores,
    mean_writes,
    strongest,
    with_vector,
)
from helpers.studies.in_context_learning.list_pairs import as_pairs


@pytest.fixture(scope="module")
def lists(atlas2):
    shots = few_shot_prompts("country_capital", 8, 3, split="train")
    return shots, mean_writes(atlas2, shots), as_pairs(atlas2, few_shot_prompts("country_capital", 6, 0))


def test_means_are_the_hooks(atlas2, lists):
    shots, means, _ = lists
    total = 0.0
    for one in shots:
        _, cache = atlas2.run_with_cache(torch.tensor([prompt_ids(atlas2.tokenizer, one.prompt)]))
        z = cache["blocks.3.attn.hook_z"][0, -1].reshape(atlas2.cfg.n_heads, -1)
        total = total + z[2] @ atlas2.blocks[3].attn.W_O[2] / len(shots)
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


def test_own_writes_change_nothing(atlas2):
    shots = few_shot_prompts("country_capital", 1, 0)
    effects = indirect_effects(atlas2, as_pairs(atlas2, shots), mean_writes(atlas2, shots))
    assert effects.abs().max() < 1e-3


def test_adding_is_the_hooks_addition(atlas2, lists):
    _, means, pairs = lists
    vector = function_vector(means, ["a2.h1", "a3.h2"])
    assert torch.allclose(vector, means[2, 1] + means[3, 2])

    def add(resid, hook):
        resid[:, -1] += vector
        return resid

    one = pairs.select([0])
    for layer in (0, 3):
        with atlas2.hooks(fwd_hooks=[(f"blocks.{layer}.hook_in", add)]):
            logits = atlas2(one.clean_tokens)[:, -1]
        added = with_vector(atlas2, one, vector, layer)
        assert torch.allclose(added, logits, atol=1e-2) and (added - one.clean_logits(atlas2)).abs().max() > 0.1
    assert torch.allclose(with_vector(atlas2, pairs, 0 * vector, 2), pairs.clean_logits(atlas2), atol=1e-3)


def test_effects_are_those_of_hooks_and_ordered(atlas2, lists):
    _, means, pairs = lists
    one = pairs.select([0])
    effects = indirect_effects(atlas2, one, means)
    _, cache = atlas2.run_with_cache(one.clean_tokens)
    own = cache["blocks.3.attn.hook_z"][0, -1].reshape(atlas2.cfg.n_heads, -1)[2] @ atlas2.blocks[3].attn.W_O[2]

    def replace(written, hook):
        written[:, -1] += means[3, 2] - own
        return written

    with atlas2.hooks(fwd_hooks=[("blocks.3.hook_attn_out", replace)]):
        logits = atlas2(one.clean_tokens)[:, -1]
    rise = match_nll(one.clean_logits(atlas2), one).mean() - match_nll(logits, one).mean()
    assert effects[3, 2] == pytest.approx(rise.item(), abs=1e-3)
    assert strongest(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), 2) == ["a0.h1", "a1.h0"]


def test_induction_is_the_librarys(atlas2):
    measured = measure_repeats(atlas2, length=20, count=2).induction.tolist()
    assert induction_scores(atlas2, count=2, length=20) == pytest.approx(measured, abs=1e-5)


def test_a_vector_does_what_the_list_does(atlas2):
    shots = few_shot_prompts("past_tense", 12, 5, split="train")
    means, pairs = mean_writes(atlas2, shots), as_pairs(atlas2, few_shot_prompts("past_tense", 32, 0))
    effects = indirect_effects(atlas2, as_pairs(atlas2, [s.without_demonstrations() for s in shots]), means)
    vector = function_vector(means, strongest(effects))
    right = with_vector(atlas2, pairs, vector, 1).argmax(-1) == pairs.answer_ids
    noise = with_vector(atlas2, pairs, random_vector(vector), 1).argmax(-1) == pairs.answer_ids
    assert right.float().mean() > noise.float().mean() + 0.2
    assert random_vector(vector).norm().item() == pytest.approx(vector.norm().item(), rel=1e-4)


def test_bad_inputs(atlas2, lists):
    _, means, pairs = lists
    with pytest.raises(ValueError, match="at least one"):
        function_vector(means, [])
    with pytest.raises(ValueError, match="from 0 to 7, not 8"):
        with_vector(atlas2, pairs, means[0, 0], 8)


def test_random_directions_have_the_lengths():
    vectors = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
    drawn = random_vector(vectors, 1)
    assert torch.allclose(drawn.norm(dim=-1), torch.tensor([5.0, 2.0]))
    assert not torch.allclose(drawn, random_vector(vectors, 2))
