"""The sweep that is kept with the book is what the code gives, and small."""

import pytest

from helpers import Circuit
from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits.jobs import compute, plan
from helpers.studies.atlas_of_circuits.run import read_sweep
from helpers.studies.tables import TABLES


@pytest.fixture(scope="module")
def table():
    return read_sweep()


def test_it_is_small_and_has_one_row_for_each_circuit(table):
    assert (TABLES / "sweep.csv").stat().st_size < 400_000
    assert table.key.is_unique and not table.duplicated(["model", "relation", "method", "size", "seed"]).any()
    assert (table.status == "done").all()
    assert [circuit.n_edges for circuit in table.circuit] == table.edges.tolist()


def test_a_row_is_what_the_code_gives(table):
    (job,), _ = plan(["atlas"], [relation("plural")], ["eap_ig"], {"keep": [0.9]})
    row, found = table.set_index("key").loc[job.key], compute(job)
    assert Circuit.from_edges(row.circuit.graph, found["edges"]).jaccard(row.circuit) > 0.95
    for name in ("faithfulness", "low", "high", "hit1", "relabelled_faithfulness"):
        assert row[name] == pytest.approx(found["measured"][name], abs=0.02), name


def test_all_kinds_are_there_and_random_circuits_keep_nothing(table):
    assert {"factual", "commonsense", "linguistic", "bias", "fiction"} <= set(table.kind)
    whole = table[(table.method == "eap_ig") & ~table.relation.str.contains(":")]
    assert whole.faithfulness.median() > 0.85 and whole.random_faithfulness.abs().max() < 0.05
