"""The checks of *Locate and edit* take right answers and reject plausible wrong ones with a reason."""

from dataclasses import replace

import pytest
import torch

from helpers import edit_requests
from helpers.exercises import chapter_10
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def requests(atlas):
    return edit_requests(atlas, "landmark_country", 12, seed=4)[:4]


def test_answers_both():
    root = torch.randn(40, 60, generator=torch.Generator().manual_seed(3)).double()
    C = root @ root.T / 60

    def right(C, K, V):
        solved = torch.linalg.solve(C, K.T)
        return solved @ torch.linalg.solve(K @ solved, V)

    def apart(C, K, V):
        return sum(right(C, K[[n]], V[[n]]) for n in range(2))

    def blind(C, K, V):
        return torch.linalg.pinv(K) @ V

    def beside(C, K, V):
        away = torch.eye(len(C)).double() - torch.linalg.pinv(K) @ K
        return right(C, K, V) + away @ torch.ones(len(C), V.shape[1]).double()

    assert chapter_10.answers_both(right, C)
    assert "sum of two edits" in message(chapter_10.answers_both(apart, C))
    assert "C isn't used" in message(chapter_10.answers_both(blind, C))
    assert "isn't answered" in message(chapter_10.answers_both(lambda C, K, V: right(C, K, V) / 2, C))
    assert "disturbs usual keys less" in message(chapter_10.answers_both(beside, C))
    assert "of shape" in message(chapter_10.answers_both(lambda C, K, V: V, C))
    assert "attempted" in message(chapter_10.answers_both(lambda C, K, V: None, C))


def test_takes_back(requests):
    def swapped(r):
        return replace(r, old=r.new, new=r.old)

    def asked(r):
        paraphrases = tuple(replace(q, answer=r.old, rival=r.new) for q in r.paraphrases)
        return replace(swapped(r), paraphrases=paraphrases)

    def right(r):
        return replace(asked(r), neighbours=tuple(replace(q, rival=r.old) for q in r.neighbours), portability=())

    def judge(function):
        return chapter_10.takes_back(function, requests)

    assert judge(right)
    assert "as they were" in message(judge(lambda r: r))
    assert "that is to go" in message(judge(swapped))
    assert "must not leak" in message(judge(asked))
    assert "asked again" in message(judge(lambda r: replace(right(r), paraphrases=())))
    assert "have to stay" in message(judge(lambda r: replace(right(r), neighbours=())))
    assert "prompt and wordings" in message(judge(lambda r: replace(right(r), wordings=())))
    assert "return a request" in message(judge(lambda r: (r.new, r.old)))
    assert "attempted" in message(judge(lambda r: None))


def test_leash(atlas, requests):
    assert chapter_10.leash(0.15, atlas, requests)
    assert "too short" in message(chapter_10.leash(5e-4, atlas, requests))
    assert "shorter leash" in message(chapter_10.leash(0.5, atlas, requests))
    assert "one positive number" in message(chapter_10.leash(-1, atlas, requests))
    assert "attempted" in message(chapter_10.leash(None, atlas, requests))
