"""Verdicts say what their numbers say."""

import pandas as pd
import pytest

from helpers.studies.heads.claims import by_layer, early, falls, has, knockouts, share, strongest_writes


def test_the_strongest_mover_decides():
    table = pd.DataFrame({"class": ["attribute mover", "propagation", "relation"], "effect_share": [0.2, 0.5, 0.9]})
    assert not strongest_writes(table) and strongest_writes(table.iloc[[0, 2]]) and not strongest_writes(table.iloc[2:])
    assert has("relation")(table) and not has("mixture")(table)
    assert share("smollm2", lambda frame: True) == 1.0


def test_falls_are_means_over_relations_first():
    rows = [("m", "a", 1, 2.0), ("m", "a", 2, 4.0), ("m", "b", 1, 9.0), ("n", "a", 1, 99.0)]
    table = pd.DataFrame(rows, columns=["model", "relation", "tokens", "answer"]).assign(**{"class": "relation"})
    assert falls(table, "m", "relation", "answer") == pytest.approx(6.0)
    shares = knockouts()[["of the type", "no answer"]]
    assert shares.min().min() >= 0 and (shares.sum(axis=1) <= 1 + 1e-9).all(), "an own answer is an answer"


def test_effects_are_summed_by_layer_and_averaged_over_relations():
    rows = [("a", 0, "relation", 9.0), ("a", 0, "mover", 0.1), ("a", 1, "mover", 0.2), ("b", 0, "mover", 0.3)]
    rows += [("b", 1, "mover", 0.2), ("b", 1, "mover", 0.2)]
    table = pd.DataFrame(rows, columns=["relation", "layer", "class", "effect_share"]).assign(tokens=1)
    assert by_layer(table, "mover", 1) == pytest.approx([0.2, 0.3])
    assert early(table, "mover", 1, layers=1) == pytest.approx(0.4)
