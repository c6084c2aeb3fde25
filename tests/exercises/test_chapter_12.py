"""The checks of the chapter on editing inside circuits take right answers and reject wrong ones with a reason."""

import pytest
import torch

from helpers.exercises import chapter_12
from helpers.exercises.kit import Verdict
from helpers.studies.editing_inside_circuits.masks import drawn_from, full_mask, maskable, random_mask
from helpers.studies.editing_inside_circuits.search import mask_gradient, right_nll
from helpers.studies.editing_inside_circuits.tasks import mask_task


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def task(atlas):
    return mask_task(atlas, "antonym").sample(20)


def test_importance(atlas, task):
    def signed(some):
        return mask_gradient(atlas, some, full_mask(atlas), right_nll)

    def change(function):
        return lambda some: {n: function(g, maskable(atlas)[n].detach()) for n, g in signed(some).items()}

    def judge(function):
        return chapter_12.importance(function, atlas, task)

    assert judge(change(lambda g, w: g.abs()))
    assert "has a sign" in message(judge(signed))
    assert "size alone" in message(judge(change(lambda g, w: w.abs())))
    assert "gradient alone" in message(judge(change(lambda g, w: g.abs() / (w.abs() + 1e-12))))
    assert "largest score" in message(judge(change(lambda g, w: 2 * g.abs())))
    assert "every name" in message(judge(lambda some: {}))
    assert "weight's shape" in message(judge(change(lambda g, w: g.abs().flatten()[:3])))
    assert "attempted" in message(judge(lambda some: None))


def test_by_chance():
    def shared(one, two):
        return sum(one.counts[n] * two.counts[n] / p.numel() for n, p in one.kept.items())

    def mean_by_tensor(one, two):
        each = [(one.counts[n], two.counts[n], p.numel()) for n, p in one.kept.items()]
        return sum((s := a * b / n) / (a + b - s) for a, b, n in each) / len(each)

    def judge(function):
        return chapter_12.by_chance(function)

    assert judge(lambda a, b: shared(a, b) / (a.size + b.size - shared(a, b)))
    blind = "one heap"
    assert blind in message(judge(lambda a, b: (s := a.size * b.size / a.total) / (a.size + b.size - s)))
    assert "counts shared weights once" in message(judge(lambda a, b: shared(a, b) / (a.size + b.size)))
    assert "Dice" in message(judge(lambda a, b: 2 * shared(a, b) / (a.size + b.size)))
    assert "mean over tensors" in message(judge(mean_by_tensor))
    assert "first mask" in message(judge(lambda a, b: shared(a, b) / a.size))
    assert "number of shared" in message(judge(shared))
    assert "these two masks" in message(judge(lambda a, b: a.jaccard(b)))
    assert "it is" in message(judge(lambda a, b: 0.5))
    assert "one number" in message(judge(lambda a, b: torch.zeros(2)))
    assert "attempted" in message(judge(lambda a, b: None))


def test_outside(atlas):
    def judge(function):
        return chapter_12.outside(function, atlas)

    assert judge(lambda c, s: drawn_from(~c, c.counts, s))
    assert "whole complement" in message(judge(lambda c, s: ~c))
    assert "lie in the circuit" in message(judge(lambda c, s: random_mask(c, s)))
    assert "profile" in message(judge(lambda c, s: drawn_from(~c, {n: 5 for n in c.kept}, s)))
    assert "another seed" in message(judge(lambda c, s: drawn_from(~c, c.counts, 0)))
    assert "ParameterMask" in message(judge(lambda c, s: c.counts))
    assert "attempted" in message(judge(lambda c, s: None))
