"""The committed tables of the judges are what the code gives: rows of one search and task, computed again."""

import pandas as pd
import pytest

from helpers import Graph, eap
from helpers.studies.tables import read_table
from helpers.studies.which_search import circuit_judge, completeness, exact_judge
from helpers.studies.which_search.candidates import SEARCHES
from helpers.studies.which_search.tasks import task_pairs

TASK = "country_capital"
SEARCH = {"EAP": eap}


def stored(table: str, *index: str, search: str = "EAP") -> pd.DataFrame:
    rows = read_table(table)
    rows = rows[(rows.model == "atlas") & (rows.task == TASK) & (rows.search == search)]
    return rows.set_index(list(index)).sort_index()


def test_correlations_with_single_cuts(atlas):
    pairs = task_pairs(atlas, TASK)
    now = pd.DataFrame(exact_judge.exact_rows(atlas, pairs, SEARCH, exact_judge.EDGES["atlas"])).set_index("reader")
    kept = stored("judged_exact", "reader")
    for column in ("pearson", "spearman"):
        assert (now[column] - kept[column]).abs().max() < 5e-3, column


def test_faithfulness_and_areas_of_circuits(atlas):
    draws, test = [task_pairs(atlas, TASK)], task_pairs(atlas, TASK, "test")
    sizes = circuit_judge.Sizes(circuit_judge.SIZES["atlas"], Graph.from_model(atlas).n_edges)
    searches = {"EAP-IG": SEARCHES["EAP-IG"]}
    now = pd.DataFrame(circuit_judge.circuit_rows(atlas, searches, draws, test, sizes))
    kept = stored("judged_circuits", "measure", "edges", search="EAP-IG").value
    now = now.set_index(["measure", "edges"]).sort_index().value
    assert len(now) == len(kept) and now.to_numpy() == pytest.approx(kept.to_numpy(), abs=5e-3)


def test_incompleteness(atlas):
    pairs = (task_pairs(atlas, TASK, split) for split in ("train", "test"))
    now = pd.DataFrame(completeness.complete_rows(atlas, SEARCH, *pairs)).set_index(["nodes", "measure"]).value
    assert (now.sort_index() - stored("judged_complete", "nodes", "measure").value).abs().max() < 1e-2
