"""The committed tables of edited circuits are complete, and are what the code gives."""

from collections import defaultdict

import pandas as pd
import pytest

from helpers.circuits.circuit import random_circuit
from helpers.circuits.evaluation import faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.studies.edited_circuits import edited_table as E
from helpers.studies.edited_circuits.carriers import read_by_layer
from helpers.studies.edited_circuits.cases import case_pairs, cases
from helpers.studies.other_circuits import kept_by, unrelated_circuit
from helpers.studies.tables import read_table

FACT = ["model", "relation", "subject"]


@pytest.fixture(scope="module")
def tables():
    return {name: read_table(f"edited_{name}") for name in ("reads", "ways", "overlaps", "kept")}


def test_the_tables_are_complete(tables):
    facts = [set(map(tuple, table[FACT].drop_duplicates().to_numpy())) for table in tables.values()]
    assert all(some == facts[0] for some in facts)
    each = tables["kept"].drop_duplicates(FACT).groupby(["model", "relation"]).size()
    for name in E.MODELS:
        kind = E.kind_of(name)
        assert set(each[name].index) == set(E.RELATIONS[kind]) and (each[name] == E.CASES[kind]).all()
    for table in tables.values():
        assert not table.duplicated([c for c in table if c not in ("share", "shared", "kept", "rank", "lead")]).any()
    assert set(tables["kept"].editor) == {E.NONE, E.ROME, E.FT_M}
    same = tables["overlaps"].query("to == @E.SAME")
    assert "country_capital" not in set(same.relation), "each capital belongs to one country"


def test_a_case_is_what_the_code_gives(atlas2, tables):
    case = E.all_cases(atlas2, "atlas2")[0]
    pool = E.pool_scores(atlas2, "atlas2")
    moments = {n: E.covariance_of(atlas2, "atlas2", n) for n in E.LAYERS["atlas2"]}
    now = defaultdict(list)
    for name, rows in E.case_rows(atlas2, "atlas2", case, pool, moments):
        now[name].append(rows)
    keys = {
        "ways": (["editor", "layer", "way"], "share"),
        "overlaps": (["of", "to"], "shared"),
        "kept": (["editor", "layer", "circuit"], "kept"),
        "reads": (["editor", "layer", "place", "stop"], "lead"),
    }
    for name, (key, value) in keys.items():
        committed = tables[name].query("model == 'atlas2' and subject == @case.request.subject")
        committed = committed[committed.relation == case.request.relation].set_index(key)[value]
        gap = (pd.concat(now[name]).set_index(key)[value] - committed).abs()
        assert len(gap) == len(committed) and gap.median() < 0.02 and gap.max() < (1 if name == "reads" else 0.2), name


def test_what_smollm2_reads_is_in_the_table(smollm2, tables):
    (case,) = cases(smollm2, "country_language", E.RELATIONS[E.REAL]["country_language"], 1)
    now = read_by_layer(smollm2, case).set_index(["place", "layer"])
    committed = tables["reads"].query("model == 'smollm2' and subject == @case.request.subject and editor == @E.NONE")
    committed = committed[committed.relation == "country_language"].set_index(["place", "stop"])
    assert len(committed) == len(now) and (committed["rank"] == now["rank"]).mean() > 0.9
    assert (committed.lead - now.lead).abs().max() < 0.1


def test_what_circuits_keep_is_faithfulness(atlas2):
    case = E.all_cases(atlas2, "atlas2")[0]
    pairs = case_pairs(atlas2, case, "held out")
    circuits = [random_circuit(Graph.from_model(atlas2), 300, seed=seed) for seed in range(2)]
    alone = [float(faithfulness(atlas2, circuit, pairs)) for circuit in circuits]
    assert kept_by(atlas2, circuits, pairs) == pytest.approx(alone, abs=1e-3)


def test_a_pooled_circuit_is_of_unrelated_relations_only(atlas2):
    scores = E.pool_scores(atlas2, "atlas2")
    both = {name: scores[name] for name in ("plural", "country_capital")}
    assert unrelated_circuit(both, "country_language", 50) == Scores(
        scores["plural"].graph, scores["plural"].values
    ).greedy(50)
    assert unrelated_circuit(both, "resident_town", 50) != scores["plural"].greedy(50)


def test_an_unknown_editor(atlas2):
    with pytest.raises(ValueError, match="unknown editor 'MEMIT'"):
        E.make_edit(atlas2, "MEMIT", None, 0, None)


def test_heads(atlas2):
    assert len(E.heads_above(atlas2, 5)) == 12 and not E.heads_above(atlas2, 7)
    assert len(E.head_sets(atlas2, "atlas2-seed1")) == 48
    assert (E.kind_of("smollm2"), E.kind_of("atlas2-seed1")) == ("smollm2", "atlas2")
