"""The committed tables of few-shot lists are what the code gives."""

import pytest

from helpers.studies.in_context_learning import views
from helpers.studies.in_context_learning.few_shot_table import Asked
from helpers.studies.in_context_learning.function_vectors import induction_scores
from helpers.studies.in_context_learning.list_answers import answer_rows
from helpers.studies.in_context_learning.settings import NOVEL, SETTINGS, UNLISTED, best_template, taught
from helpers.studies.tables import read_table


def test_relations_of_the_tables_are_those_of_the_settings():
    for name in ("answers", "heads", "overlaps", "ablation", "vectors"):
        for model, rows in read_table(f"lists_{name}").groupby("model"):
            allowed = {*SETTINGS[model].names, *((*UNLISTED, NOVEL) if name == "answers" else ())}
            assert set(rows.relation) <= allowed
    assert {"smollm2", "atlas2"} <= set(read_table("lists_heads").model)


def test_answers_are_what_the_code_gives(atlas2):
    fresh = answer_rows(atlas2, "atlas2", "past_tense").set_index("kind").value
    old = views.rows_of("lists_answers", "atlas2")
    old = old[(old.relation == "past_tense") & ~old.kind.isin(views.CLASSES)].set_index("kind").value
    assert fresh.to_dict() == pytest.approx(old.to_dict(), abs=0.05)


def test_the_rest_is_what_the_code_gives(atlas2):
    tables = Asked(atlas2, "atlas2", "past_tense", induction_scores(atlas2), {}).tables()
    for name, column in (("lists_heads", "effect"), ("lists_overlaps", "shared"), ("lists_vectors", "value")):
        old = views.rows_of(name, "atlas2")
        old = old[old.relation == "past_tense"]
        assert tables[name][column].tolist() == pytest.approx(old[column].tolist(), abs=0.05), name
    old = views.ablations("atlas2").loc["past_tense"]
    fresh = tables["lists_ablation"].set_index("set")
    assert fresh.heads.to_dict() == old.heads.to_dict()


def test_sentences_are_the_known_ones():
    assert best_template("atlas2", "plural") == best_template("smollm2", "sentiment") == 0
    assert 0 <= best_template("smollm2", "substance_phase") < 8
    assert all(fact.well_taught for fact in taught("person_hometown").facts)
    assert {fact.rate > 0.5 for fact in taught("occupation_gender").facts} == {True}
