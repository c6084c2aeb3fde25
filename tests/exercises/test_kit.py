"""A check says right, not attempted, or why not; and the checks of the chapters reject plausible wrong answers."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformer_lens.tools.analysis import logit_lens

from helpers import answer_ids, load_model, relation
from helpers.exercises import chapter_01
from helpers.exercises.kit import Compared, Miss, Verdict, attempted, check, expect, mean_interval, number, two_ends


@check
def is_even(number) -> None:
    """``number`` is even."""
    expect(attempted(number) % 2 == 0, "<b>odd</b> & more")


def test_verdicts():
    assert is_even(2) == Verdict(True, "Right.")
    assert not is_even(3) and "odd" in repr(is_even(3))
    assert repr(is_even(None)) == "Not attempted yet."
    assert "&lt;b&gt;odd" in is_even(3)._repr_html_()
    with pytest.raises(TypeError):
        is_even("a learner's own error is shown as it is")


@pytest.fixture(scope="module")
def model():
    return load_model("atlas", device="cpu")


@pytest.fixture(scope="module")
def questions():
    capital = relation("country_capital")
    return [(capital.prompt(f), f" {f.answer}") for f in capital.facts[:6]]


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_token_count(model):
    encode = model.tokenizer.encode
    assert chapter_01.token_count(lambda t: len(encode(t, add_special_tokens=False)), model.tokenizer)
    assert "BOS" in message(chapter_01.token_count(lambda t: len(encode(t)), model.tokenizer))
    assert "words" in message(chapter_01.token_count(lambda t: len(t.split()), model.tokenizer))
    assert "tokens" in message(chapter_01.token_count(len, model.tokenizer))
    assert "attempted" in message(chapter_01.token_count(lambda t: None, model.tokenizer))


def test_chance():
    def counts(r):
        return Counter(f.answer for f in r.facts)

    assert chapter_01.chance(lambda r: max(counts(r).values()) / len(r.facts))
    assert "equally frequent" in message(chapter_01.chance(lambda r: 1 / len(counts(r))))
    assert "divide" in message(chapter_01.chance(lambda r: max(counts(r).values())))
    assert "not" in message(chapter_01.chance(lambda r: 0.5))


def ranks(model, prompt, answer):
    target = answer_ids(model.tokenizer, prompt, answer)[0]
    return logit_lens(model, prompt, targets=target).rank_trajectory(target).flatten().tolist()


def settled(model, prompt, answer):
    behind = [i for i, rank in enumerate(ranks(model, prompt, answer)) if rank]
    return behind[-1] + 1 if behind else 0


def test_settled_layer(model, questions):
    def judge(function):
        return chapter_01.settled_layer(function, model, questions)

    assert judge(lambda p, a: settled(model, p, a))
    assert "count blocks" in message(judge(lambda p, a: settled(model, p, a) - 1))
    assert "blocks on" in message(judge(lambda p, a: model.cfg.n_layers + 1))
    assert "attempted" in message(judge(lambda p, a: None))


def test_an_answer_that_loses_its_lead_is_not_settled(model, questions, monkeypatch):
    class Fake:
        def rank_trajectory(self, target):
            return torch.tensor([5, 0, 3, 0, 0])

    monkeypatch.setattr(chapter_01, "logit_lens", lambda *args, **kwargs: Fake())
    assert chapter_01.settled_layer(lambda p, a: 3, model, questions)
    assert "lost again" in message(chapter_01.settled_layer(lambda p, a: 1, model, questions))


def test_knock_out(model, questions):
    prompt, heads = questions[0][0], [(3, 1), (4, 2)]
    tokens = model.to_tokens(prompt)

    def judge(function):
        return chapter_01.knock_out(function, model, prompt, heads)

    def silent_copy(prompt, heads):
        def hook(z, hook):
            z.clone()[:, :, 0] = 0

        return model.run_with_hooks(tokens, fwd_hooks=[("blocks.3.attn.hook_z", hook)])[0, -1]

    assert judge(lambda p, h: chapter_01.logits_without(model, tokens, h)[0])
    assert "nothing changed" in message(judge(silent_copy))
    assert "last position only" in message(judge(lambda p, h: chapter_01.logits_without(model, tokens, h, -1)[0]))
    every = [(layer, head) for layer in (3, 4) for head in range(model.cfg.n_heads)]
    assert "all heads" in message(judge(lambda p, h: chapter_01.logits_without(model, tokens, every)[0]))
    assert "exactly these" in message(judge(lambda p, h: chapter_01.logits_without(model, tokens, h[:1])[0]))
    assert "last position's logits" in message(judge(lambda p, h: model(tokens)))


@check
def doubled(given, right, mistake) -> None:
    answer = Compared(attempted(given), right)
    answer.isnt(mistake, "halved")
    answer.is_right("not doubled")


def test_an_attempt_is_compared_with_the_right_answer_and_with_a_mistake():
    assert doubled(4.0, 4, 1.0) and doubled(torch.tensor([2.0, 4.0]), torch.tensor([2.0, 4.0]), torch.zeros(2))
    assert "halved" in repr(doubled(1.0, 4.0, 1.0)) and "not doubled" in repr(doubled(3.0, 4.0, 1.0))
    assert doubled(4.0, 4.0, 4.0), "a way that is wrong elsewhere may be right here"
    assert "not doubled" in repr(doubled(float("nan"), 4.0, 1.0))
    assert Compared(np.array([2.0, 1.0])[::-1], np.array([1.0, 2.0])).near([1.0, 2.0])
    assert Compared(103.0, 100.0, rtol=0.05).near(100.0) and not Compared(1 + 2e-6, 1.0).near(1.0)


def test_numbers_and_intervals():
    assert number(torch.tensor([2.5])) == 2.5 and number(3) == 3.0
    with pytest.raises(Miss, match="one number"):
        number("3")
    with pytest.raises(Miss, match="two numbers"):
        two_ends([1.0, 2.0, 3.0])
    low, high = mean_interval([0.0, 1.0] * 50, 0, 400)
    assert 0.38 < low < 0.45 < 0.55 < high < 0.62
    assert mean_interval([2.0, 2.0], 0, 10).tolist() == [2.0, 2.0]
