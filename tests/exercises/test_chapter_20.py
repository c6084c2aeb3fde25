"""The checks of the chapter on searches take right answers and say what is wrong with others."""

import numpy as np
from torch import softmax

from helpers.exercises import chapter_20
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def cpr(shares, kept):
    return np.trapezoid(kept, shares)


def test_areas():
    assert chapter_20.areas(lambda s, k: (cpr(s, k), np.trapezoid(abs(1 - k), s)))
    assert "above 1, its distance" in message(chapter_20.areas(lambda s, k: (cpr(s, k), 1 - cpr(s, k))))
    clipped = message(chapter_20.areas(lambda s, k: (cpr(s, k), np.trapezoid((1 - k).clip(0), s))))
    assert "distance, too" in clipped
    assert "equally far" in message(chapter_20.areas(lambda s, k: (k.mean(), 0.0)))
    assert "step" in message(chapter_20.areas(lambda s, k: ((k[1:] * np.diff(s)).sum(), 0.0)))
    assert "between" in message(chapter_20.areas(lambda s, k: (cpr(s, k), 7.0)))
    assert "two numbers" in message(chapter_20.areas(lambda s, k: cpr(s, k)))
    assert "attempted" in message(chapter_20.areas(lambda s, k: None))


def right(clean, cut, gradient):
    return ((softmax(clean, -1) - softmax(cut, -1)) * gradient).sum()


def tangent(clean, cut, gradient):
    before = softmax(clean, -1)
    return ((clean - cut) * before * (gradient - (before * gradient).sum(-1, keepdim=True))).sum()


def test_corrected():
    assert chapter_20.corrected(right)
    assert "helps" in message(chapter_20.corrected(lambda a, b, g: -right(a, b, g)))
    assert "take a softmax" in message(chapter_20.corrected(lambda a, b, g: ((a - b) * g).sum()))
    assert "tangent" in message(chapter_20.corrected(tangent))
    assert "keys" in message(chapter_20.corrected(lambda a, b, g: ((softmax(a, 0) - softmax(b, 0)) * g).sum()))
    assert "add them up" in message(chapter_20.corrected(lambda a, b, g: right(a, b, g) / 2))
    assert "here it is" in message(chapter_20.corrected(lambda a, b, g: 0.0))
    assert "one number" in message(chapter_20.corrected(lambda a, b, g: a - b))
    assert "attempted" in message(chapter_20.corrected(lambda a, b, g: None))


def fewest(scores, exact):
    result = "never"
    for steps in sorted(scores, reverse=True):
        if np.argsort(scores[steps]).tolist() != np.argsort(exact).tolist():
            break
        result = steps
    return result


def first(scores, exact):
    hits = [n for n, row in scores.items() if np.argsort(row).tolist() == np.argsort(exact).tolist()]
    return min(hits, default="never")


def test_enough():
    assert chapter_20.enough(fewest)
    assert "wrong again" in message(chapter_20.enough(first))
    assert "it is 20" in message(chapter_20.enough(lambda scores, exact: 7))
    assert "attempted" in message(chapter_20.enough(lambda scores, exact: None))
