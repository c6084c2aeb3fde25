"""The checks of the chapter on forming circuits take right answers and reject plausible wrong ones with a reason."""

import pytest

from helpers import load_model, relation_pairs
from helpers.exercises import chapter_16
from helpers.exercises.chapter_16 import shares_there, transfers, ways_to_settle
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_settles():
    def judge(kind):
        return chapter_16.settles(lambda steps, way: ways_to_settle(way)[kind])

    def converged(steps, way):
        return next(step for n, step in enumerate(steps) if min(way[n:]) >= 0.9)

    assert judge("right") and chapter_16.settles(converged)
    assert "has to stay" in message(judge("first"))
    assert "isn't settled yet" in message(judge("last"))
    assert "are enough" in message(judge("more"))
    assert "not 7" in message(chapter_16.settles(lambda steps, way: 7))
    assert "attempted" in message(chapter_16.settles(lambda steps, way: None))


def test_already():
    def judge(kind):
        return chapter_16.already(lambda early, final: shares_there(early, final)[kind])

    assert judge("right")
    assert "without a name" in message(judge("with none"))
    assert "isn't the same name" in message(judge("any"))
    assert "keep their names" in message(judge("kept"))
    assert "at the end only" in message(judge("jaccard"))
    assert "not 2.000" in message(chapter_16.already(lambda early, final: 2.0))
    assert "attempted" in message(chapter_16.already(lambda early, final: None))


@pytest.fixture(scope="module")
def case(atlas):
    train, test = (relation_pairs(atlas, "comparative", 8, split=split) for split in ("train", "test"))
    return load_model("atlas@200"), atlas, train, test


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
