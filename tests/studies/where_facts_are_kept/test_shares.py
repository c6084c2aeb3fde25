"""Shares of small tables, by hand."""

import pandas as pd
import pytest

from helpers.studies.where_facts_are_kept import shares


def test_shares_by_layer_are_means_over_relations_however_many_rows_each_has():
    rows = [("a", 0, "last", 0.2), ("a", 0, "last", 0.4), ("b", 0, "last", 0.9), ("a", 0, "subject last", 7.0)]
    table = pd.DataFrame(rows, columns=["relation", "layer", "role", "share"])
    (only,) = shares.over_relations(table, "last")
    assert float(only) == pytest.approx(0.6) and only.low == pytest.approx(0.3) and only.high == pytest.approx(0.9)


def test_rows_of_some_names():
    rows = [("m", "resid", "2 words"), ("m", "resid", "one word"), ("m", "heads", "2 words"), ("n", "resid", "2 words")]
    table = pd.DataFrame(rows, columns=["model", "part", "name"])
    assert shares.of_names(table, "m", ["2 words"]).index.tolist() == [0]
    assert shares.of_names(table, "m", ["2 words"], "heads").index.tolist() == [2]


def test_probes_weigh_names_by_their_number_and_leave_single_words_out():
    rows = [("m", "r", 2, 0, 0.5, 30), ("m", "r", 3, 0, 0.9, 10), ("m", "r", 1, 0, 1.0, 50), ("n", "r", 2, 0, 0.0, 9)]
    table = pd.DataFrame(rows, columns=["model", "relation", "words", "layer", "right", "facts"])
    assert list(map(float, shares.read_off(table, "m"))) == [pytest.approx((15 + 9) / 40)]


def test_edits_by_layer_and_place():
    rows = [
        ("m", "paraphrase", "last", layer, "r", who, value)
        for layer, who, value in ((0, "x", 1), (0, "y", 0), (1, "x", 1))
    ]
    table = pd.DataFrame(rows, columns=["model", "score", "place", "layer", "relation", "subject", "value"])
    half, one = shares.edited(table, "m", "paraphrase", "last")
    assert float(half) == 0.5 and float(one) == 1.0 and one.low == pytest.approx(0.025), "of one trial, exactly"
    assert shares.edited(table, "m", "paraphrase", "subject_last") == []


def test_gain_is_paired_by_fact_at_the_best_layer_of_each_place():
    values = {
        ("subject_last", 0): (1.0, 1.0),
        ("subject_last", 1): (0.0, 1.0),
        ("last", 0): (0, 0),
        ("last", 1): (1, 0),
    }
    rows = [(*key, fact, value) for key, pair in values.items() for fact, value in zip("xy", pair, strict=True)]
    table = pd.DataFrame(rows, columns=["place", "layer", "subject", "value"]).assign(score="paraphrase", relation="r")
    gain = shares.gain_at_subject(table, "paraphrase")
    assert float(gain) == 0.5 and gain.low == 0 and gain.high == 1, "0 for x, 1 for y"


def test_grafts_in_the_order_asked():
    rows = [
        ("m", "plain", "last", 1.0),
        ("m", "plain", "last", 0.0),
        ("m", "plain", "all", 1.0),
        ("m", "profiles", "all", 0),
    ]
    table = pd.DataFrame(rows, columns=["model", "telling", "place", "right"])
    assert list(map(float, shares.grafted_right(table, "m", "plain", ["all", "last"]))) == [1.0, 0.5]
