"""The checks of chapter 1 reject plausible wrong answers."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformer_lens.tools.analysis import logit_lens

from helpers import answer_ids, load_model, relation
from helpers.exercises import chapter_01
from helpers.exercises.kit import Verdict


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


@pytest.mark.parametrize(
    ("why", "wrong"),
    [
        ("all of them", lambda hits: hits.mean(1).max()),
        ("chosen and judged on the even facts", lambda hits: hits[:, ::2].mean(1).max()),
        ("may only judge", lambda hits: hits[:, 1::2].mean(1).max()),
        ("on the odd facts alone", lambda hits: hits.mean(1)[hits[:, ::2].mean(1).argmax()]),
        ("the other way round", lambda hits: hits[:, ::2].mean(1)[hits[:, 1::2].mean(1).argmax()]),
        ("here it is", lambda hits: hits.mean()),
        ("one number", lambda hits: hits.mean(1)),
        ("attempted", lambda hits: None),
    ],
)
def test_a_wording_is_chosen_on_other_facts_than_it_is_judged_on(why, wrong):
    assert why in message(chapter_01.fair_choice(wrong))


def test_a_fair_choice():
    assert chapter_01.fair_choice(lambda hits: hits[hits[:, ::2].mean(1).argmax(), 1::2].mean())


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
    assert "count layers" in message(judge(lambda p, a: settled(model, p, a) - 1))
    assert "layers on" in message(judge(lambda p, a: model.cfg.n_layers + 1))
    assert "attempted" in message(judge(lambda p, a: None))


def test_an_answer_that_loses_its_lead_is_not_settled(model, questions, monkeypatch):
    class Fake:
        def rank_trajectory(self, target):
            return torch.tensor([5, 0, 3, 0, 0])

    monkeypatch.setattr(chapter_01, "logit_lens", lambda *args, **kwargs: Fake())
    assert chapter_01.settled_layer(lambda p, a: 3, model, questions)
    assert "lost again" in message(chapter_01.settled_layer(lambda p, a: 1, model, questions))


def arrival(shares):
    held = shares[:, -1] > 0.5
    return next((n for n in range(len(held)) if held[n:].all()), "never")


@pytest.mark.parametrize(
    ("why", "wrong"),
    [
        ("falls again", lambda shares: int(np.argmax(shares[:, -1] > 0.5)) if (shares[:, -1] > 0.5).any() else "never"),
        ("another token's column", lambda shares: int(np.flatnonzero(shares[:, 1] > 0.5)[-1])),
        ("no layer is above a half", lambda shares: arrival(shares) if arrival(shares) != "never" else len(shares)),
        ("it is layer 3", lambda shares: 5),
        ("attempted", lambda shares: None),
    ],
)
def test_where_something_arrives(why, wrong):
    assert why in message(chapter_01.arrives(wrong))


def test_an_arrival():
    assert chapter_01.arrives(arrival)
