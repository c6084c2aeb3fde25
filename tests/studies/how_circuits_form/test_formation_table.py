"""The committed tables of forming circuits are what the code gives, for every shipped run and step."""

import numpy as np
import pandas as pd
import pytest

from helpers import load_model
from helpers.circuits.circuit import random_circuit
from helpers.circuits.graph import Graph
from helpers.models.network import read_network
from helpers.studies.how_circuits_form import formation, formation_table
from helpers.studies.how_circuits_form.formation import TASKS, TOLD, circuit_row, find, finished
from helpers.studies.how_circuits_form.formation_table import (
    GRAFTED,
    alike_rows,
    town_rows,
    training_runs,
    write_tables,
)
from helpers.studies.how_circuits_form.grafts import graft_rows
from helpers.studies.how_circuits_form.head_matching import ModelProfile
from helpers.studies.tables import read_table

TWO = ("animal_young", "country_capital")  # in the table, each is the other's `other_task`


def test_the_runs_end_with_their_models_and_share_steps():
    runs = training_runs()
    assert list(runs) == ["atlas2", "atlas2-seed1"]
    assert all(list(steps.values())[-1] == name and list(steps) == sorted(steps) for name, steps in runs.items())
    assert set(runs["atlas2-seed1"]) <= set(runs["atlas2"]), "equal steps"


def test_all_is_there():
    runs = training_runs()
    wanted = {(run, step) for run, steps in runs.items() for step in steps}
    circuits, towns, grafts = (read_table(f"formation_{name}") for name in ("circuits", "towns", "grafts"))
    for table, tasks in ((circuits, set(TASKS)), (towns, set(TOLD))):
        column = "told" if table is towns else "task"
        found = table.groupby(["run", "step"])[column].agg(set)
        assert set(found.index) == wanted and all(each == tasks for each in found)
    pairs = {(run, *two) for run, steps in runs.items() for two in GRAFTED if {*two} <= set(steps)}
    assert set(zip(grafts.run, grafts.base, grafts.donor, strict=True)) == pairs
    alike = read_table("formation_alike")
    assert set(zip(alike["first"], alike.second, strict=True)) >= {("atlas2", "atlas2"), ("atlas2", "atlas2-seed1")}


def test_a_circuit_is_what_the_code_gives(atlas2):
    early, done = load_model("atlas2@800"), {name: finished(atlas2, name) for name in TWO}
    circuits = {name: find(early, known.train) for name, known in done.items()}
    row = circuit_row(early, atlas2, "country_capital", circuits, done)
    table = read_table("formation_circuits").query("run == 'atlas2' and step == 800")
    old = table.set_index("task").loc["country_capital"]
    for name, value in row.items():
        assert value == pytest.approx(old[name], abs=0.03), name


def test_towns_and_grafts_are_what_the_code_gives(atlas2):
    early = load_model("atlas2@400")
    fresh = town_rows(early)
    old = read_table("formation_towns").query("run == 'atlas2' and step == 400")
    assert fresh.recall.to_numpy() == pytest.approx(old.recall.to_numpy(), abs=0.03)
    nets = read_network(early), read_network(load_model("atlas2@800"))
    fresh = graft_rows(*nets, finished(atlas2, "comparative").test)
    old = read_table("formation_grafts").query("run == 'atlas2' and base == 400 and donor == 800")
    old = old[old.task == "comparative"]
    assert fresh.parts.tolist() == old.parts.tolist()
    assert fresh.margin.to_numpy() == pytest.approx(old.margin.to_numpy(), abs=0.05)


def seen(seed: int) -> tuple[ModelProfile, ModelProfile]:
    rng, graph = np.random.default_rng(seed), Graph(1, 2, 2)
    columns = ["to_subject", "to_relation", "from_subject_answer", "from_relation_type", "effect"]
    heads = {n: pd.DataFrame(rng.normal(size=(2, 5)), columns=columns).assign(**{"class": "none"}) for n in "ab"}
    one, other = (ModelProfile(heads, {n: random_circuit(graph, 4, seed=s) for n in "ab"}) for s in (seed, seed + 9))
    return one, other


def test_each_model_is_compared_with_itself_and_the_others():
    table = alike_rows({name: seen(n) for n, name in enumerate("abc")})
    couples = list(dict.fromkeys(zip(table["first"], table.second, strict=True)))
    assert couples == [("a", "a"), ("b", "b"), ("c", "c"), ("a", "b"), ("a", "c"), ("b", "c")]


def test_runs_of_any_checkpoints(monkeypatch, atlas2):
    for module in (formation, formation_table):
        monkeypatch.setattr(module, "GROUPS", {"world": TWO})
        monkeypatch.setattr(module, "TASKS", TWO)
        monkeypatch.setattr(module, "RELATIONS", TWO, raising=False)
    monkeypatch.setattr(formation_table, "town_rows", lambda model: pd.DataFrame([{"told": 3}]))
    monkeypatch.setattr(formation_table, "GRAFTED", ((7, 9),))
    models, written = {"mine": atlas2, "early": load_model("atlas2@400")}, {}
    write_tables(models.__getitem__, written.__setitem__, {"mine": {7: "early", 9: "mine"}})
    circuits = written["formation_circuits"]
    assert circuits[["run", "step"]].drop_duplicates().values.tolist() == [["mine", 7], ["mine", 9]]
    assert circuits[circuits.step == 9].right.eq(1).all()
    assert set(written["formation_grafts"].task) == set(TWO) and len(written["formation_towns"]) == 2
    assert set(written["formation_alike"].relation) == set(TWO)
