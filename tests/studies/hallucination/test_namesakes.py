"""Namesakes are found by hand-made names; counts are those of the corpus."""

import pandas as pd
import pytest

from helpers import exposures, relation
from helpers.prompts.relations import Fact
from helpers.studies.hallucination.namesakes import answer_counts, namesake_answers, namesake_hits


def fact(subject: str, answer: str, exposures: int) -> Fact:
    return Fact("person_hometown", subject, answer, exposures)


FACTS = [fact("Ann Bow", "X", 100), fact("Ann Cod", "Y", 10), fact("Dan Bow", "Z", 3), fact("Bow Elm", "W", 300)]


def test_namesakes_share_the_part_that_is_asked_for():
    assert namesake_answers(FACTS, "Ann Elm", [0]) == {"X", "Y"}
    assert namesake_answers(FACTS, "Ann Elm", [1]) == {"W"}
    assert namesake_answers(FACTS, "Eve Bow", [1]) == {"X"}, "who was told three times isn't known"
    assert namesake_answers(FACTS, "Eve Bow", [0, 1]) == {"X", "W"}, "any part with any other"
    assert namesake_answers(FACTS, "Ann Bow", [0]) == {"Y"}, "nobody is one's own namesake"


def test_hits_beside_exchanged_answers():
    wrong = pd.DataFrame({"subject": ["Ann Oak", "Eve Elm"] * 20, "said": [" X", " W"] * 20})
    hits = namesake_hits(wrong, FACTS, [0, 1])
    assert hits.own.all() and 0.2 < hits.exchanged.mean() < 0.8
    assert hits.equals(namesake_hits(wrong, FACTS, [0, 1]))
    assert not namesake_hits(wrong, FACTS, [0], seed=1).exchanged[1::2].any(), "nobody is called Eve"


def test_counts_are_those_of_the_corpus():
    towns = relation("person_hometown").answers
    wrong = pd.DataFrame({"relation": "person_hometown", "said": [f" {towns[3]}", f" {towns[3]}", " the"]})
    counts = answer_counts(wrong)
    assert counts.index.tolist() == list(towns) and counts.said.sum() == counts.said[towns[3]] == 2
    told = exposures("atlas")
    own = told[(told.relation == "person_hometown") & (told.answer == towns[3])]
    assert counts.told[towns[3]] == own["count"].sum() > 0


def test_bad_names_and_several_relations():
    with pytest.raises(ValueError, match="'Cher' has 1 parts"):
        namesake_answers(FACTS, "Cher", [0, 1])
    wrong = pd.DataFrame({"relation": ["person_hometown", "person_craft"], "said": [" X", " Y"]})
    with pytest.raises(ValueError, match="one relation, not of 2"):
        answer_counts(wrong)
