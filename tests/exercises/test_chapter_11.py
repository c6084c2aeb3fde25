"""The checks of the chapter on edited circuits take right answers and reject plausible wrong ones with a reason."""

import numpy as np
import pytest
import torch

from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.exercises import chapter_11
from helpers.exercises.chapter_11 import beside, first_above, patched
from helpers.exercises.kit import Verdict
from helpers.models.predict import prompt_ids
from helpers.studies.edited_circuits.summaries import half_way


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_half_ways():
    def judge(value):
        return chapter_11.half_ways(value)

    assert judge(half_way) and judge(lambda leads: np.int64(half_way(leads)))
    assert "has to stay" in message(judge(lambda leads: first_above(leads, leads[-1] / 2)))
    assert "largest" in message(
        judge(lambda leads: first_above(leads, max(leads) / 2) if leads[0] == -2 else half_way(leads))
    )
    assert "enough" in message(judge(lambda leads: half_way(leads, 1.0)))
    assert "last place" in message(judge(lambda leads: half_way(leads) - 1))
    assert "it is place" in message(judge(lambda leads: 17))
    assert "whole number" in message(judge(lambda leads: 2.5))
    assert "attempted" in message(judge(lambda leads: None))


@pytest.fixture(scope="module")
def edited(atlas):
    request = edit_requests(atlas, "country_capital", 1, 1)[0]
    tokens = torch.tensor([prompt_ids(atlas.tokenizer, request.text)])
    heads = [f"a{n}.h{h}" for n in range(1, 5) for h in range(8)]
    return rome(atlas, request, 0, prefixes=()), tokens, heads


def test_patches_last(atlas, edited):
    def judge(function):
        return chapter_11.patches_last(function, atlas, *edited)

    assert judge(lambda *a: patched(atlas, *a))
    assert "all positions" in message(judge(lambda *a: patched(atlas, *a, everywhere=True)))
    assert "unedited run" in message(judge(lambda *a: patched(atlas, *a, into_edited=False)))
    assert "still write" in message(judge(lambda edit, tokens, heads: patched(atlas, edit, tokens, [])))
    assert "return logits" in message(judge(lambda *a: torch.zeros(2)))
    assert "differ by" in message(judge(lambda *a: patched(atlas, *a) + 1))
    assert "attempted" in message(judge(lambda *a: None))
    edit = edited[0]
    try:
        assert "still in the model" in message(judge(lambda *a: edit.apply() and torch.zeros(2)))
    finally:
        edit.undo()


def test_chooses_controls():
    def judge(choose):
        return chapter_11.chooses_controls(choose)

    def right(fact, new, facts):
        return tuple(next(iter(some), None) for some in beside(fact, new))

    def loose(fact, new, facts, *, tokens=True, own=False):
        fits = [f for f in facts if (f[2] == fact[2] or not tokens) and (own or f[0] != fact[0])]
        return tuple(next((f[0] for f in fits if f[1] == answer), None) for answer in (fact[1], new))

    assert judge(right) and judge(loose)
    assert "fact itself" in message(judge(lambda *a: (a[0][0], right(*a)[1])))
    assert "tokens" in message(judge(lambda fact, new, facts: loose(fact, new, facts[::-1], tokens=False)))
    assert "other side" in message(judge(lambda *a: right(*a)[::-1]))
    assert "the word differs" in message(judge(lambda *a: ("New Zealand", right(*a)[1])))
    assert "there is somebody" in message(judge(lambda *a: (None, None)))
    assert "no subject" in message(judge(lambda *a: ("Atlantis", right(*a)[1])))
    assert "two subjects" in message(judge(lambda *a: "Kenya"))
    assert "attempted" in message(judge(lambda *a: None))
