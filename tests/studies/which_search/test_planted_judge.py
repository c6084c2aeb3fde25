"""Judged on planted models: marks by hand, rows of the table computed again, and what the traps are known to do."""

from dataclasses import replace
from unittest.mock import Mock

import pandas as pd
import pytest

from helpers import Circuit, Graph, Scores, eap, exact_scores
from helpers.atlas.planted import planted_induction
from helpers.atlas.planted_traps import planted_traps
from helpers.studies.tables import read_table
from helpers.studies.which_search import planted_judge
from helpers.studies.which_search.candidates import BASELINES, SEARCHES, SLOW
from helpers.studies.which_search.planted_judge import ALL, NOISE, VARIANTS, judged, model_rows, write_tables

TRAPS = ("softmax", "backup", "product", "closed", "norm", "plain")


@pytest.fixture(scope="module")
def traps():
    return planted_traps("gpt2", each=1)


@pytest.fixture(scope="module")
def table():
    return read_table("judged_planted")


def giving(values):
    """A search that gives these scores."""
    return lambda model, pairs: Scores(Graph.from_model(model), values)


def test_marks_by_hand():
    planted = planted_induction()
    graph = Graph.from_model(planted.model)
    truth = Circuit.from_edges(graph, planted.edges).mask
    ideal = truth.float()
    for values, auc, worst, found in (
        (ideal, 1, 5, 5),
        (-ideal, 0, 46, 0),
        (0 * ideal, 0.5, 25.5, 5 * 5 / 46),
        (ideal + 2 * (~truth).float(), 0, 46, 0),
        (ideal.masked_fill(~truth, NOISE / 2), 1, 5, 5),
    ):
        row = judged(planted, giving(values)).iloc[0]
        assert (row.trap, row.true_edges, row.auc, row.worst) == (ALL, 5, auc, worst)
        assert row.found == pytest.approx(found)
    lost = ideal.clone()
    lost[graph.place("a1.h0->logits")] = NOISE / 2  # as good as 0, as the 41 that aren't true
    row = judged(planted, giving(lost)).iloc[0]
    assert row.auc == pytest.approx((4 + 0.5) / 5) and row.worst == 5 + 41 / 2
    assert row.found == pytest.approx(4 + 1 / 42)


def test_marks_of_traps_are_about_their_own_edges(traps):
    graph = Graph.from_model(traps.model)
    values = Circuit.from_edges(graph, traps.edges - traps.traps["norm"]).mask.float()
    marks = judged(traps, giving(values)).set_index("trap")
    assert tuple(marks.index) == (ALL, *TRAPS) and marks.true_edges.tolist() == [22, 6, 4, 5, 3, 2, 2]
    assert (marks.auc.drop([ALL, "norm"]) == 1).all() and marks.auc["norm"] == 0.5
    assert marks.auc[ALL] == pytest.approx((20 + 2 * 0.5) / 22) and marks.found["norm"] < 0.01


def test_each_search_misses_what_its_gradient_does_not_see(traps):
    searches = {"EAP": eap, "exact": exact_scores} | {name: SEARCHES[name] for name in ("RelP", "GIM")}
    auc = pd.DataFrame({who: judged(traps, search).set_index("trap").auc for who, search in searches.items()})
    assert auc.exact.drop([ALL, "backup"]).min() == pytest.approx(1) and auc.exact["backup"] < 0.5
    assert auc.EAP["softmax"] < 0.7 < 0.95 < auc.GIM["softmax"]
    assert auc.EAP["backup"] > 0.99 and auc.EAP["closed"] < 0.6
    assert max(auc.GIM["norm"], auc.RelP["norm"]) < 0.6 < 0.99 < auc.EAP["norm"]
    assert (auc.loc[["product", "plain"]] > 0.99).all(axis=None)


def test_rows_of_the_table_computed_again(table):
    names = ("EAP", "RelP", "CEAP", "IFR", "random")
    again = model_rows("induction", {name: {**SEARCHES, **BASELINES}[name] for name in names})
    kept = table[(table.model == "induction") & table.search.isin(names)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.round(4), kept, check_dtype=False, atol=1e-3)


def test_one_search_beats_another_on_all_variants(table):
    assert (table.variants == VARIANTS).all() and VARIANTS >= 5
    assert (table.low <= table.auc).all() and (table.auc <= table.high).all()
    assert set(table.search) == {*SEARCHES, *SLOW, *BASELINES}
    for name in ("traps, GPT-2", "traps, Llama"):
        own = table[table.model == name].set_index(["trap", "search"])
        assert own.high["backup", "exact"] < 0.5 and own.low["softmax", "GIM"] > own.high["softmax", "EAP"]
        assert own.low["backup", "EAP"] > own.high["backup", "EAP-IG"]
        assert own.low[ALL, "EAP-IG"] > max(own.high[ALL, who] for who in ("EAP", "RelP", "head-permuted", "random"))
        assert own.auc[ALL, "ACDC"] == pytest.approx(1, abs=1e-3)
        assert own.low[ALL, "random"] < 0.5 < own.high[ALL, "random"]


def test_the_command_writes_model_by_model(monkeypatch):
    planted = planted_induction()
    few = replace(planted, pairs=planted.pairs.select([0, 1, 2]))
    monkeypatch.setattr(planted_judge, "MODELS", {"one": lambda variant: few, "other": lambda variant: few})
    for kind in ("SEARCHES", "SLOW", "BASELINES"):
        monkeypatch.setattr(planted_judge, kind, {kind: eap})
    write = Mock()
    write_tables(None, write)
    assert [(name, len(table)) for name, table in (call.args for call in write.call_args_list)] == [
        ("judged_planted", 3),
        ("judged_planted", 6),
    ]
    last = write.call_args.args[1]
    assert last.model.unique().tolist() == ["one", "other"]
    assert (last.variants == VARIANTS).all() and (last.auc == 1).all() and (last.found == 5).all()
