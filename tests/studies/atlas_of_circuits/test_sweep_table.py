"""The sweep that is kept with the book is what the code gives, and small."""

import pytest

from helpers import Circuit
from helpers.studies.atlas_of_circuits.sweep_jobs import compute
from helpers.studies.atlas_of_circuits.sweep_plan import Plan, chosen_relations, plan_jobs
from helpers.studies.atlas_of_circuits.sweep_run import in_this_process
from helpers.studies.atlas_of_circuits.sweep_store import read_sweep
from helpers.studies.tables import TABLES


@pytest.fixture(scope="module")
def table():
    return read_sweep()


def test_it_is_small_and_has_one_row_for_each_circuit(table):
    assert sum((TABLES / f"sweep.{end}").stat().st_size for end in ("csv", "safetensors")) < 400_000
    assert table.key.is_unique and not table.duplicated(["model", "relation", "method", "size", "seed"]).any()
    assert (table.status == "done").all()
    assert [circuit.n_edges for circuit in table.circuit] == table.edges.tolist()


def test_a_row_is_what_the_code_gives(table):
    plan = Plan(["atlas"], chosen_relations(["plural"]), ["eap_ig"], options={"shares": [], "keep": [0.9]})
    ((job,), _) = plan_jobs(plan, in_this_process, progress=False)
    row, found = table.set_index("key").loc[job.key], compute(job)
    assert Circuit.from_edges(row.circuit.graph, found["edges"]).jaccard(row.circuit) > 0.95
    for name in ("faithfulness", "low", "high", "hit1", "relabelled_faithfulness"):
        assert row[name] == pytest.approx(found["measured"][name], abs=0.02), name


def test_all_kinds_are_there_and_random_circuits_keep_nothing(table):
    assert {"factual", "commonsense", "linguistic", "bias", "fiction"} <= set(table.kind)
    whole = table[(table.method == "eap_ig") & ~table.relation.str.contains(":")]
    assert whole.faithfulness.median() > 0.85 and whole.random_faithfulness.abs().max() < 0.05
