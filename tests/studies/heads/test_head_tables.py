"""The committed tables of heads are what the code gives, and what the chapter says of them holds."""

import pytest

from helpers import Graph, relation
from helpers.atlas.wordings import WORDINGS, asked_relations, taught_and_held_out, worded_pairs
from helpers.components.head_classes import LETTERS, name_heads
from helpers.components.heads import measure_heads
from helpers.prompts.relations import held_out_paraphrases, taught_paraphrases
from helpers.studies.heads.head_tables import knockout_rows, names_row, read_classes, read_heads
from helpers.studies.tables import read_table


def test_measured_rows_are_what_the_code_gives(atlas):
    name = "country_currency"
    again, kept = measure_heads(atlas, worded_pairs(atlas, name)), read_heads()[name]
    for column in ("to_subject", "from_subject_answer", "from_relation_type", "effect_from_subject", "type_falls_zero"):
        assert kept[column].to_numpy() == pytest.approx(again[column].to_numpy(), abs=0.01), column
    assert kept["class"].tolist() == name_heads(again)["class"].tolist()


def test_a_row_of_names_is_what_the_code_gives(atlas):
    row = names_row(atlas, "animal_sound", "held out")
    table = read_table("head_names").set_index(["relation", "wording"])
    assert tuple(row) == ("relation", "wording", "pairs", "classes")
    if ("animal_sound", "held out") in table.index:
        kept = table.loc[("animal_sound", "held out")]
        assert sum(a != b for a, b in zip(kept.classes, row["classes"], strict=True)) <= 1


def test_a_row_of_knockouts_is_what_the_code_gives(atlas):
    name = "country_language"
    rows = knockout_rows(atlas, name, read_heads()[name])
    kept = read_table("head_knockouts").set_index(["relation", "class"])
    for row in rows:
        for column in ("heads", "answer", "type", "random_answer", "random_type"):
            assert kept.loc[(name, row["class"]), column] == pytest.approx(row[column], abs=0.05), column


def test_the_tables_are_complete(atlas):
    graph = Graph.from_model(atlas)
    measured, names = read_table("heads"), read_table("head_names")
    assert set(measured.relation) == set(asked_relations()) == set(names.relation)
    assert set(measured.model) == {"atlas", "atlas-seed1"}
    assert len(measured) == 2 * len(asked_relations()) * graph.n_layers * graph.n_heads
    assert set(names.wording) == set(WORDINGS)
    assert names.classes.str.len().eq(graph.n_layers * graph.n_heads).all()
    assert set("".join(names.classes)) <= set(LETTERS.values())
    assert set(read_table("head_controls").control) == {"wrong subject", "wrong type"}


def test_names_in_both_tables_agree():
    classes = read_classes().xs("first wording", level="wording")
    for name, frame in read_heads().items():
        assert sum(a != b for a, b in zip(classes.loc[name], frame["class"], strict=True)) <= 1, name


def test_taught_and_held_out_words_are_that(atlas):
    asked = relation("animal_sound")
    taught, held_out = taught_and_held_out(atlas, "animal_sound", 12)
    assert len(taught) == len(held_out) > 6 and taught.answers == held_out.answers
    for pairs, paraphrases in ((taught, taught_paraphrases), (held_out, held_out_paraphrases)):
        prompts = {asked.prompt(f, p) for f in asked.facts for p in paraphrases(asked, f)}
        assert set(pairs.clean) <= prompts
        assert (pairs.clean_logits(atlas).argmax(-1) == pairs.answer_ids).all()


def test_unknown_names_are_refused(atlas):
    with pytest.raises(ValueError, match="unknown wording 'loud'; choose from first wording"):
        worded_pairs(atlas, "country_capital", "loud")
    with pytest.raises(ValueError, match="it has atlas, atlas-seed1"):
        read_heads("gpt2")
