"""The committed tables of few-shot lists are what the code gives."""

import pandas as pd
import pytest

from helpers.studies.in_context_learning.few_shot_table import (
    ASKED,
    GROWTH,
    LOOK,
    NEW,
    OTHER,
    SET_SIZE,
    SETS,
    beside_paper,
    mean_costs,
    silence_rows,
    training_rows,
    vector_rows,
)
from helpers.studies.tables import read_table

MODELS = {"atlas", "atlas-seed1"}


def test_all_is_there():
    silence, vectors = read_table("lists_silence"), read_table("lists_vectors")
    for table in (silence, vectors):
        assert {name: set(part.relation) for name, part in table.groupby("model")} == dict.fromkeys(MODELS, set(ASKED))
    ranked = silence[silence["set"] != "new in the circuit"]
    assert (ranked.heads.str.split().str.len() == SET_SIZE).all()
    assert (vectors[vectors.kind != "none"].groupby(["relation", "kind", "model"]).size() == 7).all()
    assert set(OTHER.values()) <= set(ASKED) and all(name != other for name, other in OTHER.items())


def test_silence_is_what_the_code_gives(atlas):
    fresh = silence_rows(atlas, "animal_young")
    old = read_table("lists_silence")
    old = old[(old.model == "atlas") & (old.relation == "animal_young")].reset_index(drop=True)
    assert fresh.heads.tolist() == old.heads.tolist()
    for column in ("all heads", "without", "without others", "same, with lines", "with and without"):
        assert fresh[column].tolist() == pytest.approx(old[column].tolist(), abs=2e-2)


def test_vectors_are_what_the_code_gives(atlas):
    fresh = vector_rows(atlas, "past_tense", layers=(2,))
    old = read_table("lists_vectors")
    old = old[(old.model == "atlas") & (old.relation == "past_tense") & old.layer.isin([-1, 2])]
    both = fresh.merge(old, on=["kind", "style", "layer"], suffixes=("", "_old"))
    assert len(both) == len(fresh) and (both.value - both.value_old).abs().max() < 0.05


def test_training_is_what_the_code_gives(atlas):
    fresh = training_rows(atlas, ["comparative"])
    old = read_table("lists_training")
    assert set(old.model) >= MODELS and {f"lines {n}" for n in GROWTH} <= set(old.measure)
    old = old[(old.model == "atlas") & old.relation.isin(["comparative"])]
    both = fresh.merge(old, on=["measure", "relation"], suffixes=("", "_old"))
    assert len(both) == len(GROWTH) + 1 and (both.value - both.value_old).abs().max() < 0.05


def rows(costs, heads, sets=SETS):
    return pd.DataFrame({"model": "a", "set": list(sets), "heads": heads, "costs more": costs})


def test_mean_costs_by_hand():
    both = pd.concat([rows([0.1, 0.2, 0.3], "a0.h1"), rows([0.3, 0.2, 0.5], "a0.h1")])
    found = mean_costs(both)["a"]
    assert list(found) == list(SETS) and [float(v) for v in found.values()] == pytest.approx([0.2, 0.2, 0.4])
    assert found[NEW].low == pytest.approx(0.1) and found[LOOK].high == pytest.approx(0.2)


def test_beside_paper_by_hand():
    values = {
        "all heads": 1.0,
        "without": 0.906,
        "without others": 0.99,
        "costs more": 0.084,
        "low": -0.02,
        "high": 0.2,
    }
    part = pd.DataFrame([{"relation": name, "heads": "a0.h1 a2.h3", **values} for name in ("comparative", "plural")])
    table = beside_paper(part)
    assert table.loc["comparative"].tolist() == ["62 → 33 (58)", "100 → 91 (99)", "8 [-2, 20]", 2]
    assert table.paper["plural"] == ""
