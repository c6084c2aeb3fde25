"""Two namings agree as computed by hand; shuffling keeps the counts."""

from collections import Counter

import pytest

from helpers.studies.head_agreement import agreement, jaccard, kappa, shuffled


def test_kappa_by_hand():
    first, second = ["mover", "mover", "none", "none"], ["mover", "none", "none", "none"]
    chance = 0.5 * 0.25 + 0.5 * 0.75
    assert kappa(first, second) == pytest.approx((0.75 - chance) / (1 - chance))
    assert kappa(first, first) == 1 and kappa(["none"] * 3, ["none"] * 3) == 1
    assert kappa(["mover", "none"], ["none", "mover"]) == -1


def test_jaccard_by_hand():
    first, second = ["mover", "mover", "none", "relation"], ["mover", "none", "mover", "none"]
    assert jaccard(first, second, "mover") == pytest.approx(1 / 3)
    assert jaccard(first, second, "relation") == 0 and jaccard(first, second, "mixture") == 1
    assert agreement(first, second)["movers"] == pytest.approx(1 / 3)
    assert agreement(first, first) == {"kappa": 1, "movers": 1, "relation heads": 1}


def test_shuffling_keeps_counts_of_each_layer():
    names, layers = ["mover"] * 3 + ["none"] * 5 + ["relation"] * 2 + ["none"] * 6, [0] * 8 + [1] * 8
    assert Counter(shuffled(names, seed=1)) == Counter(names)
    drawn = [shuffled(names, layers, seed=s) for s in range(20)]
    assert all(Counter(d[:8]) == Counter(names[:8]) and Counter(d[8:]) == Counter(names[8:]) for d in drawn)
    assert len({tuple(d) for d in drawn}) > 5, "the seed matters"
    assert shuffled(names, layers, seed=3) == drawn[3]


@pytest.mark.parametrize("function", [kappa, lambda a, b: jaccard(a, b, "mover")])
def test_namings_must_be_of_the_same_heads(function):
    with pytest.raises(ValueError, match="one has 2, the other 1"):
        function(["mover", "none"], ["mover"])
