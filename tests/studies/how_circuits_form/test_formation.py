"""Circuits along a run: the same prompts at every step, compared with circuits of other prompts."""

import math
from dataclasses import replace

import pytest

from helpers import load_model
from helpers.circuits.evaluation import faithfulness
from helpers.studies.how_circuits_form import formation
from helpers.studies.how_circuits_form.formation import (
    circuit_row,
    find,
    finished,
    kept,
    task_pairs,
    towns_told,
)


@pytest.fixture(scope="module")
def early():
    return load_model("atlas@100")


@pytest.fixture(scope="module")
def done(atlas):
    return {name: finished(atlas, name) for name in ("comparative", "past_tense")}


def test_towns_are_those_told_so_often():
    assert {f.exposures for f in towns_told(30).facts} == {30} and len(towns_told(30).facts) == 50
    with pytest.raises(ValueError, match="no home town is told 7 times; choose from 0, 1, 3"):
        towns_told(7)


def test_pairs_are_known_and_the_halves_apart(atlas):
    for task in ("comparative", "towns told 100 times"):
        train, test = (task_pairs(atlas, task, split, 12) for split in ("train", "test"))
        assert not set(train.clean) & set(test.clean)
        assert (train.clean_logits(atlas).argmax(-1) == train.answer_ids).all()
    skills = [task_pairs(atlas, "induction", split, 6) for split in ("train", "test")]
    assert skills[0].clean_ids != skills[1].clean_ids
    with pytest.raises(ValueError, match="unknown relation"):
        task_pairs(atlas, "no such task")


def test_the_finished_model_is_its_own_yardstick(atlas, done):
    row, circuit = circuit_row(atlas, atlas, "comparative", done)
    own = done["comparative"]
    assert circuit == own.own and row["accuracy"] == 1
    assert row["same"] == own.own.jaccard(own.other) < 1
    assert row["kept"] == row["kept_final"] == pytest.approx(row["kept_in_final"], abs=1e-6)
    assert row["others"] == circuit.jaccard(done["past_tense"].other)
    assert row["blind"] < row["relabelled"] < row["same"]


def test_an_early_circuit(atlas, early, done):
    row, circuit = circuit_row(early, atlas, "comparative", done)
    own = done["comparative"]
    assert circuit == find(early, own.train)[1] and circuit != own.own
    assert row["accuracy"] < 0.5 and row["same"] < own.own.jaccard(own.other)
    assert row["kept_in_final"] == pytest.approx(float(faithfulness(atlas, circuit, own.test)), abs=1e-4)


def test_nothing_is_kept_where_there_is_nothing(atlas, done):
    own = done["comparative"]
    assert kept(atlas, own.own, own.test, own.scale) > 0.5
    assert math.isnan(kept(atlas, own.own, own.test, replace(own.scale, ablated=own.scale.full - 0.5)))


def test_abilities_of_the_finished_model(atlas):
    row = formation.ability_row(atlas, 0.05)
    assert row["recall"] > 0.9 and row["induction"] > 0.9 and row["induction head"] > 0.4
    assert row["told 3"] < row["told 30"] < row["told 300"] and row["induction heads"] >= 1
