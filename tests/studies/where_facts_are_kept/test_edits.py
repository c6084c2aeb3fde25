"""Edits are asked about names of several words, and judged at both places of the prompt."""

import torch

from helpers.editing.rome import key_covariance
from helpers.prompts.relations import relation
from helpers.studies.where_facts_are_kept import edits, places


def test_both_places_are_edited_for_names_of_several_words(atlas, monkeypatch):
    """The first Atlas stands in: its landmarks have such names."""
    monkeypatch.setattr(edits, "RELATIONS", ("landmark_country",))
    monkeypatch.setattr(edits, "DRAWN", 6)
    monkeypatch.setattr(edits, "world", lambda told: [relation("landmark_country")])
    covariance = key_covariance(atlas, 4, ["The Louvre is in Paris.", "Big Ben is in London."])
    whole = covariance + torch.eye(len(covariance))
    monkeypatch.setattr(edits, "corpus_covariance", lambda model, layer, told: whole)
    (table,) = edits.edit_rows(atlas, "profiles", layers=(4,), edits=2)
    assert set(table.place) == {"subject_last", "last"} and set(table.layer) == {4}
    asked = table.groupby("place").subject.unique()
    assert list(asked["last"]) == list(asked["subject_last"])
    assert len(asked["last"]) == 2 and all(" " in name for name in asked["last"])
    taken = table[table.score == "efficacy"].groupby("place").value.mean()
    assert taken["last"] == 1, "at the prompt's last token an edit of this model takes"
    assert {"efficacy", "paraphrase", "neighbourhood"} <= set(table.score)


def test_only_what_is_shipped_is_measured(monkeypatch):
    monkeypatch.setattr(places, "shipped", lambda: ["atlas", "atlas2", "atlas2-plain"])
    found = [(name, model, told) for name, model, told in places.told_models(str.upper)]
    assert found == [("atlas2", "ATLAS2", "profiles"), ("atlas2-plain", "ATLAS2-PLAIN", "plain")]
