"""The committed tables of few-shot lists are what the code gives."""

import pytest

from helpers.studies.in_context_learning.few_shot_table import (
    ASKED,
    GROWTH,
    OTHER,
    SET_SIZE,
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
