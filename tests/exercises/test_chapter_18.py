"""The checks of the chapter on other models take right answers and reject plausible wrong ones with a reason."""

import pytest
import torch

from helpers import eap, relation_pairs
from helpers.exercises import chapter_18
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def weights(shape, grouped=True, gate=True, tied=True, places=True):
    d = shape.d_model
    narrow = d // shape.n_heads * (shape.n_groups if grouped else shape.n_heads)
    mlp = (3 if shape.gated and gate else 2) * d * shape.d_mlp
    vectors = (1 if shape.tied or not tied else 2) * shape.d_vocab + places * shape.n_ctx
    return (shape.n_layers * (2 * d * d + 2 * d * narrow + mlp) + vectors * d) / 1e6


def test_counts_weights():
    judge = chapter_18.counts_weights
    assert judge(weights)
    assert "give millions" in message(judge(lambda s: weights(s) * 1e6))
    assert "serve all queries" in message(judge(lambda s: weights(s, grouped=False)))
    assert "a third matrix" in message(judge(lambda s: weights(s, gate=False)))
    assert "of its own" in message(judge(lambda s: weights(s, tied=False)))
    assert "learned positions" in message(judge(lambda s: weights(s, places=False)))
    assert "million, not" in message(judge(lambda s: 2 * weights(s)))
    assert "attempted" in message(judge(lambda s: None))


def test_any_tokenizer():
    judge, plain = chapter_18.any_tokenizer, dict(add_special_tokens=False)

    def right(tokenizer, prompt, answer):
        return tokenizer.encode(f"{prompt} {answer}", **plain)[len(tokenizer.encode(prompt, **plain))]

    assert judge(right)
    assert "that is BOS" in message(judge(lambda t, p, a: t.encode(f" {a}")[0]))
    assert "alone is another token" in message(judge(lambda t, p, a: t.encode(a, **plain)[0]))
    assert "two spaces" in message(judge(lambda t, p, a: t.encode(f" {a}", **plain)[0]))
    assert "last token" in message(judge(lambda t, p, a: t.encode(f"{p} {a}", **plain)[-1]))
    assert "one id" in message(judge(lambda t, p, a: t.encode(a)))
    assert "attempted" in message(judge(lambda t, p, a: None))


@pytest.fixture(scope="module")
def pairs(atlas):
    return relation_pairs(atlas, "country_capital", 5)


def test_from_parts(atlas, pairs):
    def judge(function):
        return chapter_18.from_parts(function, atlas, pairs)

    def parts(search, pairs, size):
        chosen = [pairs.select(range(i, min(i + size, len(pairs)))) for i in range(0, len(pairs), size)]
        return [(len(part), search(part)) for part in chosen]

    assert judge(lambda *a: sum(n * scores for n, scores in parts(*a)) / 5)
    assert "as much as a part of two" in message(judge(lambda *a: sum(s for _, s in parts(*a)) / 3))
    assert "adds means up" in message(judge(lambda *a: sum(s for _, s in parts(*a))))
    assert "more than fit" in message(judge(lambda search, pairs, size: search(pairs)))
    assert "last part may be smaller" in message(judge(lambda s, p, n: (s(p.select([0, 1])) + s(p.select([2, 3]))) / 2))
    assert "scores of shape" in message(judge(lambda *a: torch.zeros(3)))
    assert "differ" in message(judge(lambda *a: -sum(n * s for n, s in parts(*a)) / 5))
    assert "attempted" in message(judge(lambda *a: None))
    assert eap(atlas, pairs).values.abs().max() > 0
