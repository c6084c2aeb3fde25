"""The checks of the chapter on forming circuits take right answers and reject plausible wrong ones with a reason."""

import pytest

from helpers import load_model, relation_pairs
from helpers.exercises import chapter_16
from helpers.exercises.chapter_16 import transfers, ways_to_come, ways_to_lengthen
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_progresses():
    def judge(kind):
        return chapter_16.progresses(lambda *rows: ways_to_come(*rows)[kind])

    assert judge("right")
    assert "means first" in message(judge("ratios"))
    assert "take it away" in message(judge("no chance"))
    assert "there, too" in message(judge("early chance"))
    assert "of its own" in message(judge("end's chance"))
    assert "divide it" in message(judge("difference"))
    assert "not 2.000" in message(chapter_16.progresses(lambda *rows: 2.0))
    assert "attempted" in message(chapter_16.progresses(lambda *rows: None))


@pytest.fixture(scope="module")
def case(atlas2):
    train, test = (relation_pairs(atlas2, "comparative", 8, split=split) for split in ("train", "test"))
    return load_model("atlas2@600"), atlas2, train, test


def test_carries(case):
    truth = transfers(*case)

    def judge(kind):
        return chapter_16.carries(lambda *given: truth[kind], *case)

    assert judge("right")
    assert "judge it in the finished one" in message(judge("early"))
    assert "find it in the early one" in message(judge("own"))
    assert "way back" in message(judge("back"))
    assert "test pairs" in message(judge("train"))
    assert "not 3.000" in message(chapter_16.carries(lambda *given: 3.0, *case))
    assert "attempted" in message(chapter_16.carries(lambda *given: None, *case))


def test_lengthens():
    def judge(kind):
        return chapter_16.lengthens(lambda *vectors: ways_to_lengthen(*vectors)[kind])

    assert judge("right")
    assert "themselves" in message(judge("late"))
    assert "confounder" in message(judge("turned"))
    assert "not all by one" in message(judge("one factor"))
    assert "equally long" in message(judge("unit"))
    assert "row" in message(judge("columns"))
    assert "token by token" in message(chapter_16.lengthens(lambda early, late: early + late))
    assert "as many vectors" in message(chapter_16.lengthens(lambda early, late: early[0]))
    assert "as they are" in message(chapter_16.lengthens(lambda early, late: early.mul_(2)))
    assert "attempted" in message(chapter_16.lengthens(lambda early, late: None))
