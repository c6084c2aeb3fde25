"""Lists of classes: as many demonstrations of each, and labels that are right, random or letters."""

import pytest

from helpers.prompts.facts import split_of
from helpers.prompts.relations import relation
from helpers.studies.in_context_learning.label_words import CLASSES, LETTERS, asked_relation, class_lists, sentiment


def test_sentiment_has_two_balanced_classes():
    facts = sentiment().facts
    assert len({f.subject for f in facts}) == len(facts) == 40
    assert [f.answer for f in facts].count("positive") == 20
    assert asked_relation("plural") == relation("plural")


@pytest.mark.parametrize("name", CLASSES)
def test_lists_of_classes(name):
    asked = asked_relation(name)
    truth = {f.subject: f.answer for f in asked.facts}
    half = {f.subject for f in asked.facts if split_of(f) == "test"}
    right, chance, letters = (class_lists(asked, 12, 3, kind, "arrow") for kind in ("right", "random", "letters"))
    for one, random_one, lettered in zip(right, chance, letters, strict=True):
        assert one.query in half and one.query not in dict(one.demonstrations)
        assert all(truth[word] == label for word, label in one.demonstrations) and truth[one.query] == one.answer
        assert {truth[w] for w, _ in one.demonstrations} == set(asked.answers)
        assert [w for w, _ in random_one.demonstrations] == [w for w, _ in one.demonstrations]
        assert random_one.answer == one.answer
        meant = {truth[word]: letter for word, letter in lettered.demonstrations}
        assert meant[one.answer] == lettered.answer and set(meant.values()) <= set(LETTERS)
    assert {one.answer for one in right} == set(asked.answers)
    assert {one.answer for one in letters} == set(LETTERS[: len(asked.answers)]), "letters are dealt anew"


def test_bad_inputs():
    with pytest.raises(ValueError, match="unknown labels 'wrong'"):
        class_lists(sentiment(), 2, 1, "wrong", "arrow")
    with pytest.raises(ValueError, match="too few"):
        class_lists(sentiment(), 2, 30, "right", "arrow")
