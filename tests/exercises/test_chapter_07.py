"""The checks of the chapter on indirect objects take right answers and reject plausible wrong ones with a reason."""

import pytest
import torch

from helpers.atlas.skills import indirect_object_pairs
from helpers.exercises import chapter_07
from helpers.exercises.chapter_07 import _patched
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def pairs(atlas):
    return indirect_object_pairs(atlas, 8)


def test_third():
    judge = chapter_07.third
    assert judge(lambda p, s, n: n.join(p.rsplit(s, 1)))
    assert "both mentions" in message(judge(lambda p, s, n: p.replace(s, n)))
    assert "first mention" in message(judge(lambda p, s, n: p.replace(s, n, 1)))
    assert "nothing" in message(judge(lambda p, s, n: p))
    assert "second John" in message(judge(lambda p, s, n: n))
    assert "return a text" in message(judge(lambda p, s, n: [p]))
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
    assert "donor" in message(chapter_07.head_patch(lambda m, c, *a: torch.zeros(len(c), 8192), atlas, pairs))
