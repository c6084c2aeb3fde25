"""The committed tables of forming circuits are what the code gives, for every shipped run and step."""

import numpy as np
import pandas as pd
import pytest

from helpers import load_model
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.graph import Graph
from helpers.studies.how_circuits_form import formation_table
from helpers.studies.how_circuits_form.formation import RELATIONS, SKILLS, ability_row, circuit_row, finished
from helpers.studies.how_circuits_form.formation_table import (
    alike_rows,
    comparable,
    edge_numbers,
    numbered_circuit,
    run_parts,
    training_runs,
)
from helpers.studies.how_circuits_form.head_matching import ModelProfile
from helpers.studies.tables import read_table


def test_all_is_there():
    wanted = {(run, step) for run, steps in training_runs().items() for step in steps}
    circuits = read_table("formation_circuits")
    for name in ("formation", "formation_circuits", "formation_heads"):
        table = read_table(name)
        assert set(zip(table.run, table.step, strict=True)) == wanted, f"{name}: run `make tables NAME=formation`"
    found = circuits[circuits.half == "train"].groupby(["run", "step"]).task.agg(set)
    assert all({*RELATIONS, *SKILLS} <= tasks for tasks in found)
    assert set(read_table("formation_courses").run) == set(training_runs())


def test_the_runs_end_with_their_models():
    runs = training_runs()
    assert list(runs["atlas"].values())[-1] == "atlas" and len(runs["atlas"]) > 3
    assert len(runs["atlas-llama"]) > 3 and all(list(steps) == sorted(steps) for steps in runs.values())


def test_heads_that_share_keys_are_not_matched():
    one, other = (ModelProfile({"r": pd.DataFrame()}, {"r": Circuit.empty(Graph(2, 4, n))}) for n in (4, 2))
    assert comparable(one, one) and not comparable(one, other) and not comparable(other, other)


def test_a_circuit_is_what_the_code_gives(atlas):
    early, done = load_model("atlas@200"), {"comparative": finished(atlas, "comparative")}
    row, circuit = circuit_row(early, atlas, "comparative", done)
    table = read_table("formation_circuits")
    old = table[(table.run == "atlas") & (table.task == "comparative")]
    first = old[(old.step == 200) & (old.half == "train")].iloc[0]
    same = numbered_circuit(circuit.graph, first.edges)
    assert circuit.jaccard(same) > 0.95
    for name in ("accuracy", "logit_diff", "same", "kept", "kept_final", "kept_in_final"):
        assert row[name] == pytest.approx(first[name], abs=0.03, nan_ok=True), name
    other = old[old.half == "test"].iloc[0]
    assert done["comparative"].other.jaccard(numbered_circuit(circuit.graph, other.edges)) > 0.95


def test_abilities_are_what_the_code_gives():
    fresh = ability_row(load_model("atlas@200"))
    table = read_table("formation")
    old = table[(table.run == "atlas") & (table.step == 200)].set_index("measure").value
    assert list(old.index) == list(fresh.index)
    assert fresh.to_numpy() == pytest.approx(old.to_numpy(), abs=0.03)


def test_numbers_of_edges_by_hand():
    graph = Graph(1, 2, 2)
    circuit = Circuit.from_edges(graph, ["embed->a0.h0<q>", "m0->logits"])
    numbers = edge_numbers(circuit)
    assert numbers == f"0 {graph.n_edges - 1}"
    assert numbered_circuit(graph, numbers) == circuit
    drawn = random_circuit(Graph(3, 4, 2), 40, seed=1)
    assert numbered_circuit(drawn.graph, edge_numbers(drawn)) == drawn


def seen(seed: int) -> ModelProfile:
    rng, graph = np.random.default_rng(seed), Graph(1, 2, 2)
    columns = ["to_subject", "to_relation", "from_subject_answer", "from_relation_type", "effect"]
    heads = {n: pd.DataFrame(rng.normal(size=(2, 5)), columns=columns).assign(**{"class": "none"}) for n in "ab"}
    return ModelProfile(heads, {n: random_circuit(graph, 4, seed=seed) for n in "ab"})


def test_which_models_stand_beside_each_other():
    keys = [("a", "other half"), ("a", "100"), ("a", "finished"), ("b", "other half"), ("b", "finished"), ("b", "100")]
    table = alike_rows({key: seen(n) for n, key in enumerate(keys)})
    couples = set(zip(table["first"], table["second"], table["at"], strict=True))
    assert couples == {
        ("a", "a", "finished"),
        ("b", "b", "finished"),
        ("a", "b", "finished"),
        ("a", "b", "100"),
    }


def test_a_run_of_any_checkpoints(monkeypatch, atlas):
    tasks = ("comparative",)
    monkeypatch.setattr(formation_table, "TASKS", tasks)
    monkeypatch.setattr(formation_table, "RELATIONS", tasks)
    monkeypatch.setattr(formation_table, "ability_row", lambda model: pd.Series({"recall": 1.0}))
    models = {"atlas": atlas, "early": load_model("atlas@400")}
    parts = list(run_parts(models.__getitem__, "mine", {7: "early", 9: "atlas"}))
    assert [at for at, *_ in parts] == ["other half", "7", "finished"]
    circuits = pd.concat([tables["formation_circuits"] for _, tables, _ in parts])
    assert circuits.step.tolist() == [9, 7, 9] and set(circuits.run) == {"mine"}
    assert circuits[circuits.half == "train"].accuracy.iloc[-1] == 1
