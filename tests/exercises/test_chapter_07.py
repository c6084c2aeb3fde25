"""The checks of the chapter on indirect objects take right answers and reject plausible wrong ones with a reason."""

import pytest
import torch

from helpers.atlas.skills import indirect_object_pairs
from helpers.exercises import chapter_07
from helpers.exercises.chapter_07 import _patched
from helpers.exercises.kit import Verdict
from helpers.models.load import load_model


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def atlas():
    return load_model("atlas2", device="cpu")


@pytest.fixture(scope="module")
def pairs(atlas):
    return indirect_object_pairs(atlas, 8)


def test_same_place():
    judge = chapter_07.same_place
    assert judge(lambda a, b, s: (b, a, b if s == a else a))
    assert "'other subject'" in message(judge(lambda a, b, s: (a, b, b if s == a else a)))
    assert "'other order'" in message(judge(lambda a, b, s: (b, a, s)))
    assert "same two names" in message(judge(lambda a, b, s: ("Anne", "Tom", "Tom")))
    assert "two names" in message(judge(lambda a, b, s: (a, a, a)))
    assert "nothing has changed" in message(judge(lambda a, b, s: (a, b, s)))
    assert "three names" in message(judge(lambda a, b, s: f"{b} and {a}"))
    assert "attempted" in message(judge(lambda *a: None))


def test_looks(atlas, pairs):
    def judge(function):
        return chapter_07.looks(function, atlas, pairs)

    def end(pattern, places, row=-1, times=None):
        times = times or pattern.shape[-1]
        return {name: pattern[:, row, place] * times for name, place in places.items()}

    assert judge(end)
    assert "uniform attention" in message(judge(lambda p, places: end(p, places, times=1)))
    assert "last *row*" in message(judge(lambda p, places: {n: p[:, i, -1] for n, i in places.items()}))
    assert "not S2" in message(judge(lambda p, places: end(p, places, row=places["S2"])))
    assert "dictionary" in message(judge(lambda p, places: p))
    assert "return a tensor" in message(judge(lambda p, places: {n: 0.1 for n in places}))


def test_head_patch(atlas, pairs):
    def judge(where):
        return chapter_07.head_patch(
            lambda m, clean, corrupt, layer, head: _patched(m, clean, corrupt, layer, where(head)), atlas, pairs
        )

    rows = slice(None)
    assert judge(lambda head: (rows, -1, head))
    assert "all heads" in message(judge(lambda head: (rows, -1)))
    assert "all positions" in message(judge(lambda head: (rows, rows, head)))
    own = chapter_07.head_patch(lambda m, clean, corrupt, *a: m(corrupt)[:, -1], atlas, pairs)
    assert "corrupt prompt's own" in message(own)
    idle = chapter_07.head_patch(lambda m, clean, *a: m(clean)[:, -1], atlas, pairs)
    assert "changed nothing" in message(idle)
    assert "last position" in message(chapter_07.head_patch(lambda m, clean, *a: m(clean), atlas, pairs))
    assert "corrupt prompt" in message(chapter_07.head_patch(lambda m, c, *a: torch.zeros(len(c), 8192), atlas, pairs))
