"""The checks of the chapter on what relations share take right answers and say what is wrong with others."""

import numpy as np

from helpers.exercises import chapter_21
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_shuffled():
    def p(overlap, groups, shuffles, seed, off=True, one=1, entries=False, sign=1):
        values, groups = np.asarray(overlap), np.asarray(groups)
        rng = np.random.default_rng(seed)
        free = ~np.eye(len(groups), dtype=bool)

        def gap(values, labels):
            same = labels[:, None] == labels[None]
            return sign * (values[same & free if off else same].mean() - values[~same].mean())

        def shuffle():
            if not entries:
                return values, rng.permutation(groups)
            mixed = values.copy()
            mixed[free] = rng.permutation(mixed[free])
            return mixed, groups

        real = gap(values, groups)
        return (sum(gap(*shuffle()) >= real - 1e-12 for _ in range(shuffles)) + one) / (shuffles + one)

    judge = chapter_21.shuffled
    assert judge(p)
    assert "a p of 0" in message(judge(lambda *a: p(*a, one=0)))
    assert "at least as well" in message(judge(lambda *a: 1 - p(*a) + 1e-3))
    assert "1 in 100" in message(judge(lambda *a: 0.2))
    assert "labels of the" in message(judge(lambda *a: p(*a, entries=True)))
    assert "attempted" in message(judge(lambda *a: None))


def test_dealt_anew():
    def dealt(heads, n_heads, rng, replace=False, layers=None, more=0):
        names = [head.split(".")[0] for head in heads]
        new = []
        for layer in dict.fromkeys(names):
            drawn = rng.choice(n_heads, names.count(layer) + more, replace=replace)
            new += [f"{layer if layers is None else layers}.h{n}" for n in drawn]
        return new

    judge = chapter_21.dealt_anew
    assert judge(dealt)
    assert judge(lambda *a: set(dealt(*a)))
    assert "twice" in message(judge(lambda *a: dealt(*a, replace=True)))
    assert "another size" in message(judge(lambda *a: dealt(*a, more=1)))
    everywhere = [f"a{layer}.h{n}" for layer in range(10) for n in range(6)]
    across = message(judge(lambda heads, n, rng: rng.choice(everywhere, len(heads), replace=False)))
    assert "Late layers have more" in across
    assert "use ``rng``" in message(judge(lambda heads, n, rng: heads))
    assert "use ``rng``" in message(judge(lambda heads, n, rng: dealt(heads, n, np.random.default_rng(0))))
    assert "equally likely" in message(judge(lambda heads, n, rng: dealt(heads, n - 1, rng)))
    assert "is called" in message(judge(lambda heads, n, rng: dealt(heads, n + 3, rng)))
    assert "attempted" in message(judge(lambda *a: None))


def test_between():
    judge = chapter_21.between
    assert judge(lambda s, c, a: (s - c) / (a - c))
    assert "take it away" in message(judge(lambda s, c, a: s / a))
    assert "takes 1 for the top" in message(judge(lambda s, c, a: (s - c) / (1 - c)))
    assert "what is missing" in message(judge(lambda s, c, a: (a - s) / (a - c)))
    assert "stands at" in message(judge(lambda s, c, a: 7.0))
    assert "attempted" in message(judge(lambda *a: None))
