"""Surprise adds up to minus the log-probability of what was drawn."""

import math
from collections import Counter

import pytest

from helpers.atlas.skills import Draw


def test_every_kind_of_choice_adds_its_surprise():
    draw = Draw(0)
    draw.choice("abcd")
    assert draw.nats == pytest.approx(math.log(4))
    draw.sample("abcd", 2)
    assert draw.nats == pytest.approx(math.log(4 * 4 * 3))
    draw.restart()
    draw.integer(1, 6)
    assert draw.nats == pytest.approx(math.log(6))
    draw.restart()
    hit = draw.chance(0.25)
    assert draw.nats == pytest.approx(-math.log(0.25 if hit else 0.75))


def test_the_mean_surprise_is_the_entropy():
    draw, hits, total = Draw(1), 0, 20_000
    for _ in range(total):
        hits += draw.chance(0.2)
    entropy = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert draw.nats / total == pytest.approx(entropy, abs=0.02)
    assert hits / total == pytest.approx(0.2, abs=0.02)


def test_the_seed_decides():
    def drawn(seed: int) -> list:
        draw = Draw(seed)
        return [draw.choice(range(100)), draw.sample(range(100), 3), draw.integer(0, 99), draw.chance(0.5)]

    assert drawn(3) == drawn(3) != drawn(4)
    assert set(Counter(Draw(s).integer(0, 1) for s in range(50))) == {0, 1}
