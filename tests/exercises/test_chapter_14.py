"""The checks of the chapter on in-context learning take right answers and reject plausible wrong ones with a reason."""

import pytest
import torch

from helpers.exercises import chapter_14
from helpers.exercises.chapter_14 import gain_of, last_value_share, states
from helpers.exercises.kit import Verdict
from helpers.models.network import read_network
from helpers.studies.in_context_learning.few_shot import few_shot_prompts, right


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def shots():
    return few_shot_prompts("country_capital", 5, 4, split="train")


def test_gains(atlas):
    def judge(combine):
        return chapter_14.gains(lambda name, lines: combine(*gain_of(atlas, name, lines)), atlas)

    assert judge(lambda on, off: on - off)
    assert "wrong way round" in message(judge(lambda on, off: off - on))
    assert "take away the one without" in message(judge(lambda on, off: on))
    assert "not 0.12" in message(judge(lambda on, off: 0.12))

    def others(name, lines):
        shares = [right(atlas, few_shot_prompts(name, 30, n)).mean().item() for n in (lines, 0)]
        return shares[0] - shares[1]

    assert "other questions" in message(chapter_14.gains(others, atlas))
    assert "attempted" in message(chapter_14.gains(lambda name, lines: None, atlas))


def test_looks_at_last(atlas):
    net, shots = read_network(atlas), few_shot_prompts("state_capital", 12, 4)

    def judge(choose):
        return chapter_14.looks_at_last(
            lambda one, layer, head: choose(*last_value_share(net, atlas.tokenizer, one, layer, head)), atlas, shots
        )

    assert judge(lambda true, token, total: true)
    assert "not by all attention" in message(judge(lambda true, token, total: total))
    assert "several tokens" in message(judge(lambda true, token, total: token))
    assert "before the last" in message(judge(lambda true, token, total: 1 - true))
    assert "it is" in message(judge(lambda true, token, total: 2.0))
    assert "attempted" in message(chapter_14.looks_at_last(lambda one, layer, head: None, atlas, shots))


def test_differs(atlas, shots):
    net = read_network(atlas)

    def both(some, layer):
        bare = [s.without_lines() for s in some]
        return [states(net, atlas.tokenizer, s, layer) for s in (some, bare)]

    def judge(combine, step=0):
        return chapter_14.differs(lambda some, layer: combine(*both(some, layer + step)), atlas, shots)

    assert judge(lambda a, b: a[0] - b[0])
    assert "without lines" in message(judge(lambda a, b: a[0]))
    assert "wrong way round" in message(judge(lambda a, b: b[0] - a[0]))
    assert "last token" in message(judge(lambda a, b: a[1] - b[1]))
    assert "another layer" in message(judge(lambda a, b: a[0] - b[0], step=1))
    assert "another layer" in message(judge(lambda a, b: a[0] - b[0], step=-1))
    assert "differs" in message(judge(lambda a, b: 2 * a[0]))
    assert "one vector" in message(chapter_14.differs(lambda some, layer: torch.zeros(3), atlas, shots))
    assert "attempted" in message(chapter_14.differs(lambda some, layer: None, atlas, shots))
