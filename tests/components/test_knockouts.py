"""Silent heads: equal to hooks, undone in planted models, drawn from the right layers."""

from collections import Counter

import pytest
import torch

from helpers import relation_pairs
from helpers.components.heads import ablate_heads, random_heads_like
from helpers.studies.heads.knockouts import logit_drops, risen_tokens, share_named


def test_silence_is_what_hooks_give(small):
    model, pairs = small
    _, group = pairs.groups()[0]

    def silence(head):
        def change(z, hook):
            z[:, :, head] = 0
            return z

        return change

    hooks = [("blocks.0.attn.hook_z", silence(1)), ("blocks.1.attn.hook_z", silence(0))]
    expected = model.run_with_hooks(group.clean_tokens, fwd_hooks=hooks)[:, -1]
    given = ablate_heads(model, group, ["a0.h1", "a1.h0"])
    torch.testing.assert_close(given, expected.cpu(), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(given, group.clean_logits(model).cpu(), atol=1e-3)
    torch.testing.assert_close(ablate_heads(model, pairs, []), pairs.clean_logits(model).cpu(), atol=1e-4, rtol=1e-4)


def test_a_planted_mover_takes_the_answer_and_a_relation_head_the_type(known):
    pairs = known.pairs.select(range(6))

    def fall(heads):
        found = logit_drops(pairs.clean_logits(known.model), ablate_heads(known.model, pairs, heads), pairs)
        return {name: value.mean().item() for name, value in found.items()}

    mover, relation = fall(["a0.h0"]), fall(["a0.h1"])
    assert mover["answer"] > 1 and mover["type"] < 0.2 * mover["answer"]
    assert relation["type"] > 1 and relation["type"] == pytest.approx(relation["answer"], rel=0.1)
    assert fall(["a0.h5"])["answer"] == pytest.approx(0, abs=0.1), "the decoy only changes the norm"


def test_others_are_of_the_same_layers(atlas):
    heads, spared = ["a0.h0", "a0.h2", "a5.h3"], ["a5.h4"]
    for seed in range(20):
        drawn = random_heads_like(atlas, heads, spared, seed)
        assert Counter(name[:2] for name in drawn) == {"a0": 2, "a5": 1}
        assert not set(drawn) & {*heads, *spared} and len(set(drawn)) == 3
    full = [f"a0.h{n}" for n in range(7)]
    assert random_heads_like(atlas, full) == ["a0.h7"], "no more than there are"


def test_falls_by_hand(atlas):
    pairs = relation_pairs(atlas, "country_capital", 4)
    before = pairs.clean_logits(atlas)
    after = before.clone()
    after[torch.arange(4), pairs.answer_ids] -= 3.0
    found = logit_drops(before, after, pairs)
    spread = 3.0 / before.shape[1]  # the mean over the vocabulary falls a little too
    torch.testing.assert_close(found["answer"], torch.full((4,), 3.0 - spread), atol=1e-3, rtol=0)
    torch.testing.assert_close(found["type"], torch.full((4,), -spread), atol=1e-3, rtol=0)
    after[:, 7] += 100.0
    assert risen_tokens(atlas, before, after, 1) == [atlas.tokenizer.decode([7])]


@pytest.mark.parametrize(
    "call", [lambda m, p: ablate_heads(m, p, ["m0"]), lambda m, p: random_heads_like(m, ["a9.h0"])]
)
def test_unknown_heads_are_named(atlas, call):
    pairs = relation_pairs(atlas, "country_capital", 2)
    with pytest.raises(ValueError, match="is no head; heads are a0.h0, ..., a5.h7"):
        call(atlas, pairs)


def test_a_word_may_be_the_beginning_of_an_answer():
    answers = {" Dutch", " New Delhi", " Is"}
    assert share_named([" Dutch", " New", " Ne", " I"], answers) == 0.5, "too short a piece says nothing"
    assert share_named([" dutch"], answers) == 0.0
