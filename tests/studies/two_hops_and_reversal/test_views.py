"""Shares, guesses and curves by hand; drawings that are drawings."""

import pandas as pd
import pytest

from helpers.studies.two_hops_and_reversal import drawing, views


def test_guess_by_hand():
    rows = pd.DataFrame(
        {"model": "m", "kind": "k", "said": [1, 1, 2], "first": [1, 1, 1], "right": [True, True, False]}
    )
    # pairs of different questions: the words 1, 1 and 2 said to the others; right are 1 -> 2nd, 3rd, and so on
    assert views.guess(rows) == pytest.approx(4 / 6)


def test_each_subject_counts_once():
    rows = pd.DataFrame({"model": "m", "subject": list("aaab"), "right": [True, True, True, False]})
    assert views.by_subject(rows) == 0.5
    assert views.by_subject(rows[rows.right]).low < 1, "The interval of all right has a width."


def rows_of(donor, brought):
    about = {"model": "m", "place": "description", "donor": donor, "kind": "k", "other": 0.0, "kept": 0.0}
    return [about | {"subject": s, "layer": n, "brought": b} for s in "abcd" for n, b in enumerate(brought)]


def test_the_last_layer_and_the_bridges_share():
    rows = rows_of("told", [0.2, 1.0, 0.6, 0.1]) + rows_of("never told", [0, 0.5, 0.3, 0]) + rows_of("random", [0] * 4)
    swaps = pd.DataFrame(rows)
    told = views.swaps_of(swaps, ["m"], "description", "told")
    assert views.last_layer(told) == 2 and [float(e) for e in views.curve(told)] == [0.2, 1.0, 0.6, 0.1]
    found, layer = views.bridge_share(swaps, ["m"])
    assert layer == 2 and found == pytest.approx(0.5)


def test_both_ways_by_hand():
    about = {"relation": "r", "rank": 1.0}
    rows = [
        about | {"subject": s, "way": "forward", "right": r} for s, r in zip("abc", (True, True, False), strict=True)
    ]
    rows += [
        about | {"subject": s, "way": "back", "right": r} for s, r in zip("abc", (True, False, False), strict=True)
    ]
    found = views.both_ways(pd.DataFrame(rows))
    assert found.loc[("r", "forward"), "known"] == 2 and found.loc[("r", "forward"), "other way"] == 0.5
    assert found.loc[("r", "back"), "known"] == 1 and found.loc[("r", "back"), "other way"].low < 1


def test_drawing():
    assert drawing.donor_swap().data.count("<svg") == 2
