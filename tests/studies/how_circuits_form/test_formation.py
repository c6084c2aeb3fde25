"""Circuits along a run: the same prompts at every step, compared with circuits of other prompts."""

import math

import pytest

from helpers import load_model
from helpers.circuits.evaluation import faithfulness
from helpers.studies.how_circuits_form import formation
from helpers.studies.how_circuits_form.formation import (
    GROUPS,
    circuit_row,
    find,
    finished,
    other_task,
    permuted,
    task_pairs,
    town_recall,
    towns_told,
)

TWO = ("comparative", "country_capital")  # each is the other's `other_task`


@pytest.fixture(scope="module")
def early():
    return load_model("atlas2@400")


@pytest.fixture(scope="module")
def done(atlas2):
    return {name: finished(atlas2, name) for name in TWO}


@pytest.fixture(autouse=True)
def two_relations(monkeypatch):
    monkeypatch.setattr(formation, "GROUPS", {"world": TWO})


def circuits_of(model, done):
    return {name: find(model, known.train) for name, known in done.items()}


def test_towns_are_those_told_so_often():
    assert {f.exposures for f in towns_told(30).facts} == {30} and len(towns_told(30).facts) == 50
    with pytest.raises(ValueError, match="no home town is told 7 times; choose from 0, 1, 3"):
        towns_told(7)


def test_towns_told_often_are_known(atlas2):
    rare, often = (town_recall(atlas2, times) for times in (3, 300))
    assert len(rare) == len(often) == 50 and all(0 <= share <= 1 for share in rare)
    assert sum(rare) < 0.5 * sum(often)


def test_pairs_are_known_and_the_halves_apart(atlas2):
    train, test = task_pairs(atlas2, "comparative", 12)
    assert not set(train.clean) & set(test.clean)
    assert (train.clean_logits(atlas2).argmax(-1) == train.answer_ids).all()
    first, second = (task_pairs(atlas2, name, 6) for name in formation.COPYING[:2])
    assert len({half.clean_ids for half in (*first, *second)}) == 4
    with pytest.raises(ValueError, match="unknown relation"):
        task_pairs(atlas2, "no such task")


def test_another_task_is_of_the_same_group(monkeypatch):
    monkeypatch.setattr(formation, "GROUPS", GROUPS)
    for group in GROUPS.values():
        others = [other_task(task) for task in group]
        assert sorted(others) == sorted(group) and not any(a == b for a, b in zip(group, others, strict=True))


def test_permuted_circuits_differ_from_each_other(done):
    drawn = permuted(done["comparative"].own)
    assert len({c.edges for c in drawn}) == len(drawn) == formation.PERMUTED
    assert {c.n_edges for c in drawn} == {done["comparative"].own.n_edges}


def test_the_finished_model_is_what_its_checkpoints_are_compared_with(atlas2, done):
    circuits = circuits_of(atlas2, done)
    row = circuit_row(atlas2, atlas2, "comparative", circuits, done)
    own = done["comparative"]
    assert circuits["comparative"] == own.own and row["right"] == 1
    assert row["shared_permuted"] < row["shared"] == own.own.jaccard(own.other) < 1
    assert row["own"] == row["final"] == pytest.approx(row["in_final"], abs=1e-6)
    assert row["final_permuted"] == pytest.approx(row["in_final_permuted"], abs=1e-6)
    assert row["in_final_permuted"] < row["in_final"]


def test_an_early_circuit(atlas2, early, done):
    circuits, own = circuits_of(early, done), done["comparative"]
    row = circuit_row(early, atlas2, "comparative", circuits, done)
    assert row["right"] < 0.5 and row["shared"] < own.own.jaccard(own.other)
    kept = faithfulness(atlas2, circuits["comparative"], own.test)
    assert row["in_final"] == pytest.approx(float(kept), abs=1e-4)
    other = faithfulness(atlas2, circuits["country_capital"], own.test)
    assert row["in_final_other"] == pytest.approx(float(other), abs=1e-4)
    assert row["margin"] < formation.LEAST and math.isnan(row["own"]), "there is nothing to keep"
