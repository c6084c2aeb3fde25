"""The checks of the chapter on in-context learning take right answers and reject plausible wrong ones with a reason."""

import pytest
import torch

from helpers.exercises import chapter_14
from helpers.exercises.chapter_14 import last_label_share, states
from helpers.exercises.kit import Verdict
from helpers.models.network import read_network
from helpers.studies.in_context_learning.few_shot import few_shot_prompts


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def shots():
    return few_shot_prompts("country_capital", 5, 4, split="train")


def test_against_even():
    def judge(combine):
        def ratio(attention, parts, part):
            mass = sum(a for a, name in zip(attention, parts, strict=True) if name == part)
            return combine(mass, parts.count(part), len(parts), len(set(parts)))

        return chapter_14.against_even(ratio)

    assert judge(lambda mass, count, n, kinds: mass * n / count)
    assert "that is the sum" in message(judge(lambda mass, count, n, kinds: mass))
    assert "one token" in message(judge(lambda mass, count, n, kinds: mass / count))
    assert "not each part" in message(judge(lambda mass, count, n, kinds: mass * kinds))
    assert "upside down" in message(judge(lambda mass, count, n, kinds: count / n / (mass or 1)))
    assert "not 7.00" in message(judge(lambda mass, count, n, kinds: 7.0))
    assert "attempted" in message(chapter_14.against_even(lambda attention, parts, part: None))


def test_looks_at_last(atlas2):
    net, shots = read_network(atlas2), few_shot_prompts("state_capital", 12, 4)

    def judge(choose):
        return chapter_14.looks_at_last(
            lambda one, layer, head: choose(*last_label_share(net, atlas2.tokenizer, one, layer, head)), atlas2, shots
        )

    assert judge(lambda true, token, total: true)
    assert "not by all attention" in message(judge(lambda true, token, total: total))
    assert "several tokens" in message(judge(lambda true, token, total: token))
    assert "before the last" in message(judge(lambda true, token, total: 1 - true))
    assert "it is" in message(judge(lambda true, token, total: 2.0))
    assert "attempted" in message(chapter_14.looks_at_last(lambda one, layer, head: None, atlas2, shots))


def test_differs(atlas2, shots):
    net = read_network(atlas2)

    def both(some, layer):
        bare = [s.without_demonstrations() for s in some]
        return [states(net, atlas2.tokenizer, s, layer) for s in (some, bare)]

    def judge(combine, step=0):
        return chapter_14.differs(lambda some, layer: combine(*both(some, layer + step)), atlas2, shots)

    assert judge(lambda a, b: a[0] - b[0])
    assert "without demonstrations" in message(judge(lambda a, b: a[0]))
    assert "wrong way round" in message(judge(lambda a, b: b[0] - a[0]))
    assert "last token" in message(judge(lambda a, b: a[1] - b[1]))
    assert "another layer" in message(judge(lambda a, b: a[0] - b[0], step=1))
    assert "another layer" in message(judge(lambda a, b: a[0] - b[0], step=-1))
    assert "differs" in message(judge(lambda a, b: 2 * a[0]))
    assert "one vector" in message(chapter_14.differs(lambda some, layer: torch.zeros(3), atlas2, shots))
    assert "attempted" in message(chapter_14.differs(lambda some, layer: None, atlas2, shots))
