"""The checks of the chapter on MLPs take right answers and reject plausible wrong ones with a reason."""

from collections import Counter

import pytest
import torch

from helpers import answer_ids, logit_diff, relation_pairs
from helpers.exercises import chapter_05
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def towns(atlas):
    return relation_pairs(atlas, "person_hometown", 12, split="test")


def test_right_rank(atlas):
    def judge(function):
        return chapter_05.right_rank(function, atlas)

    def read(model, prompt, answer, layer, position, hook="resid_post", norm=True, base=1):
        _, cache = model.run_with_cache(model.to_tokens(prompt))
        resid = cache[f"blocks.{layer}.hook_{hook}"][0, position]
        resid = model.ln_final(resid[None, None])[0, 0] if norm else resid
        logits = resid @ model.W_U
        return int((logits > logits[answer_ids(model.tokenizer, prompt, answer)[0]]).sum()) + base

    assert judge(read)
    assert "rank 1, not 0" in message(judge(lambda *a: read(*a, base=0)))
    assert "final norm" in message(judge(lambda *a: read(*a, norm=False)))
    assert "before the layer" in message(judge(lambda *a: read(*a, hook="resid_pre")))
    assert "between attention and MLP" in message(judge(lambda *a: read(*a, hook="resid_mid")))
    assert "always reads the last" in message(judge(lambda m, p, a, n, at: read(m, p, a, n, -1)))
    assert "ranks differ" in message(judge(lambda *a: 7))
    assert "attempted" in message(judge(lambda *a: None))


def test_few_neurons():
    judge = chapter_05.few_neurons

    def few(written, share, total=None, descending=True):
        total = written.sum(-1) if total is None else total
        reached = written.sort(-1, descending=descending).values.cumsum(-1) >= share * total[:, None] - 1e-6
        return reached.int().argmax(-1) + 1

    assert judge(few)
    assert "add 1" in message(judge(lambda w, s: few(w, s) - 1))
    assert "keep the signs" in message(judge(lambda w, s: few(w.abs(), s)))
    assert "against the answer included" in message(judge(lambda w, s: few(w, s, w.clamp_min(0).sum(-1))))
    assert "sorted" in message(judge(lambda w, s: few(w, s, descending=False)))
    assert "for each of the" in message(judge(lambda w, s: few(w, s)[:1]))


def test_only_there(atlas, towns):
    def judge(function):
        return chapter_05.only_there(function, atlas, towns)

    def lost(model, pairs, layer, place, mask=None, sign=1, zero=False, returns=True):
        name = f"blocks.{layer}.hook_mlp_out"
        _, cache = model.run_with_cache(pairs.corrupt_tokens)
        there = pairs.positions(place)
        there = (there if mask is None else mask(there))[..., None]

        def replace(value, hook):
            new = torch.where(there, torch.zeros_like(value) if zero else cache[name], value)
            return new if returns else None

        with torch.no_grad():
            logits = model.run_with_hooks(pairs.clean_tokens, fwd_hooks=[(name, replace)])[:, -1]
        return sign * (logit_diff(pairs.clean_logits(model), pairs) - logit_diff(logits, pairs)).mean().item()

    assert judge(lost)
    assert "positive" in message(judge(lambda *a: lost(*a, sign=-1)))
    assert "everywhere, not only" in message(judge(lambda *a: lost(*a, mask=torch.ones_like)))
    assert "wrong way" in message(judge(lambda *a: lost(*a, mask=lambda m: ~m)))
    assert "writes nothing" in message(judge(lambda *a: lost(*a, zero=True)))
    assert "nothing changed" in message(judge(lambda *a: lost(*a, returns=False)))
    assert "costs" in message(judge(lambda *a: 123.0))


def test_single_words():
    def told(names, words=lambda name: name, count=set):
        counts = Counter(word for name in names for word in count(name))
        return [any(counts[word] == 1 for word in words(name)) for name in names]

    judge = chapter_05.single_words
    assert judge(told)
    assert "length decides nothing" in message(judge(lambda names: [len(name) == 1 for name in names]))
    assert "not only at the first" in message(judge(lambda names: told(names, lambda name: name[:1])))
    assert "one name only" in message(judge(lambda names: told(names, count=tuple)))
    assert "single words" in message(judge(lambda names: [names.count(name) == 1 for name in names]))
    assert "wrong way round" in message(judge(lambda names: [not one for one in told(names)]))
    assert "for each of the 7" in message(judge(lambda names: told(names)[:3]))
    assert "these are wrong: Dee" in message(judge(lambda names: [False] * 4 + told(names)[4:]))
    assert "attempted" in message(judge(lambda names: None))
