"""The checks of the chapter on heads take right answers and reject plausible wrong ones with a reason."""

import pytest

from helpers import logit_diff, relation_pairs
from helpers.components.heads import ablate_heads, measure_heads
from helpers.exercises import chapter_04
from helpers.exercises.kit import Verdict
from helpers.studies.head_agreement import kappa
from helpers.studies.heads.knockouts import logit_drops


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def languages(atlas):
    pairs = relation_pairs(atlas, "country_language", 4)
    return max((group for _, group in pairs.groups()), key=len)


def test_looks_in_vain():
    judge = chapter_04.looks_in_vain

    def looks(m):
        return m.to_subject > 0.5

    def matters(m, size=None):
        return (m.effect_from_subject.abs() if size is None else size) >= 0.02 * m.model_diff

    def names(chosen):
        return lambda m: m["head"][chosen(m)].tolist()

    assert judge(names(lambda m: looks(m) & ~matters(m)))
    assert "do matter" in message(judge(names(lambda m: looks(m) & matters(m))))
    assert "all look" in message(judge(names(looks)))
    assert "don't matter" in message(judge(names(lambda m: ~matters(m))))
    assert "the effect's size" in message(judge(names(lambda m: looks(m) & ~matters(m, m.effect_from_subject))))
    assert "not 0.02 logits" in message(judge(names(lambda m: looks(m) & (m.effect_from_subject.abs() < 0.02))))
    assert "return names" in message(judge(lambda m: m.index[looks(m) & ~matters(m)].tolist()))
    assert "several heads" in message(judge(lambda m: "a0.h0"))
    assert "more than half" in message(judge(lambda m: []))
    assert "attempted" in message(judge(lambda m: None))


def test_chance_corrected():
    judge = chapter_04.chance_corrected

    def raw(first, second):
        return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)

    def even(first, second):
        k = len({*first, *second})
        return (raw(first, second) - 1 / k) / (1 - 1 / k)

    assert judge(kappa)
    assert "plain share" in message(judge(raw))
    assert "isn't even" in message(judge(even))
    assert "not 0.5" in message(judge(lambda a, b: 0.5))
    assert "attempted" in message(judge(lambda a, b: None))


def test_together(atlas, languages):
    heads = ["a0.h0", "a0.h4", "a2.h2"]

    def judge(function):
        return chapter_04.together(function, atlas, languages, heads)

    def fall(names):
        return (
            logit_drops(languages.clean_logits(atlas), ablate_heads(atlas, languages, names), languages)["answer"]
            .mean()
            .item()
        )

    def alone(names):
        return sum(fall([name]) for name in names)

    assert judge(lambda m, p, names: fall(names) - alone(names))
    assert "each does alone" in message(judge(lambda m, p, names: fall(names)))
    assert "other way round" in message(judge(lambda m, p, names: alone(names) - fall(names)))
    assert "not their mean" in message(judge(lambda m, p, names: fall(names) - alone(names) / len(names)))
    assert "logits, not" in message(judge(lambda m, p, names: 100.0))
    assert "attempted" in message(judge(lambda m, p, names: None))


def test_only_what_it_brings(atlas, languages):
    measured = measure_heads(atlas, languages).set_index("head")

    def judge(function):
        return chapter_04.only_what_it_brings(function, atlas, languages, ["a0.h0", "a2.h2", "a4.h6"])

    def all_it_writes(model, pairs, head):
        layer, number = (int(part) for part in head[1:].split(".h"))
        name = f"blocks.{layer}.attn.hook_z"
        _, cache = model.run_with_cache(pairs.corrupt_tokens)

        def exchange(z, hook):
            z[:, :, number] = cache[name][:, :, number]
            return z

        changed = model.run_with_hooks(pairs.clean_tokens, fwd_hooks=[(name, exchange)])[:, -1]
        return (logit_diff(pairs.clean_logits(model), pairs) - logit_diff(changed, pairs)).mean().item()

    assert judge(lambda m, p, head: measured.effect_from_subject[head])
    assert "all positions" in message(judge(all_it_writes))
    assert "positive effect" in message(judge(lambda m, p, head: -measured.effect_from_subject[head]))
    assert "the subject's part" in message(judge(lambda m, p, head: 0.123))
    assert "attempted" in message(judge(lambda m, p, head: None))
