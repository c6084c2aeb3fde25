"""The committed edits of SmolLM2: every edit has its questions, and an in-context edit states the fact first."""

from itertools import product

import pytest

from helpers.editing.requests import EditRequest, Question
from helpers.studies.locate_and_edit.real_edits import ATS, END, LAYERS, MORE, SUBJECT, TUNED, in_context, rome_rows
from helpers.studies.locate_and_edit.real_requests import RELATIONS, by_rank, edited_before, real_requests
from helpers.studies.locate_and_edit.views import setting
from helpers.studies.tables import read_table


def test_both_places_get_the_same_edits():
    table = read_table("real_edits")
    ways = [setting(table, *place) for place in product(LAYERS, ATS)]
    ways += [setting(table, *place, templates=MORE) for place in (SUBJECT, END)]
    ways += [setting(table, layer, "all", name) for layer, name in product(LAYERS, TUNED)]
    asked = [way.set_index(["relation", "subject", "kind"]).questions.sort_index() for way in ways]
    assert all(some.equals(asked[0]) for some in asked)
    assert set(table.relation) == set(RELATIONS) and not set(table.subject) & edited_before()
    assert table[["beats", "top1"]].isin([0, 1]).any(axis=None) and table.beats.between(0, 1).all()
    assert (table.top1 <= table.beats).all()


def test_an_edit_is_what_the_code_gives(smollm2):
    """The latest layer is quickest, since the least of the model comes after it."""
    asked, (layer, at) = real_requests(smollm2, "country_language")[:1], END
    (now,) = rome_rows(smollm2, asked, layer, at, 1, kept := {})
    table = read_table("real_edits")
    own = setting(table, layer, at).query("subject == @asked[0].subject and relation == 'country_language'")
    assert now.kind.tolist() == own.kind.tolist() and now.beats.tolist() == own.beats.tolist()
    assert now.share.to_numpy() == pytest.approx(own.share.to_numpy(), abs=0.01)
    assert set(kept) == {(layer, at, asked[0].text)}


def test_templates_are_ranked_by_what_the_model_knows():
    table = read_table("smollm2_knows").query("model == 'smollm2' and relation == 'country_capital'")
    assert by_rank("country_capital")[0] == table.loc[table.hit1.idxmax()].template


def test_an_edit_in_context():
    question = Question("Capital of France:", "Rome", "Paris", "held out")
    told = in_context(EditRequest("France", "The capital of {} is", "Paris", "Rome", paraphrases=[question]))
    assert told.text == "The capital of France is Rome. The capital of France is"
    assert told.paraphrases[0].prompt == "The capital of France is Rome. Capital of France:"


def test_many_facts_at_once():
    table = read_table("mass_edits").set_index(["method", "facts", "kind"])["mean"]
    assert set(table.index.get_level_values("method")) == {"single edits, added", "MEMIT", "AlphaEdit"}
    assert table.xs("unedited", level="kind").min() > 0
