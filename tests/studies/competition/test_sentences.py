"""False sentences: what is told stands there so often, and one support is exchanged at a time."""

import pytest

from helpers.prompts.facts import split_of
from helpers.prompts.relations import relation
from helpers.studies.competition.sentences import dose_rows, sentence_conflicts, told, values_of, who_wins


def test_a_sentence_is_told_so_many_times():
    assert told("A is", "b", 0) == "A is"
    assert told("A is", "b", 2) == "A is b. A is b. A is"
    assert told("A is", "b", 1, "C is") == "C is b. A is"


def test_who_wins():
    assert [who_wins(1, 2, said) for said in (1, 2, 3)] == ["memory", "copy", "neither"]


def test_without_a_false_sentence_the_known_facts_stand(atlas):
    rows = list(dose_rows(atlas, "country_capital", (0, 2), n=5))
    assert len(rows) == 5 * 2 * 2
    assert all(row["says"] == "memory" and row["gap"] > 0 for row in rows if row["times"] == 0)
    first, *_ = rows
    again = next(dose_rows(atlas, "country_capital", (0, 2), n=5))
    assert first == again


@pytest.mark.parametrize("times", [1, 3])
def test_each_prompt_lacks_exactly_one_support(atlas, times):
    made = sentence_conflicts(atlas, "country_capital", 6, times=times, split="test")
    assert made.about.subject.is_unique and 0 < len(made) <= 6
    facts = {fact.subject: fact for fact in relation("country_capital").facts}
    values = values_of(atlas, relation("country_capital"))
    rows = (made.both.clean_ids, made.first.clean_ids, made.second.clean_ids, made.both.corrupt_ids)
    for subject, answer, wrong, *ids in zip(
        made.about.subject, made.both.answer_ids, made.both.wrong_ids, *rows, strict=True
    ):
        both, first, second, neither = ids
        assert split_of(facts[subject]) == "test" and values[facts[subject].answer][0] == answer
        assert both.count(int(wrong)) == second.count(int(wrong)) == times and wrong not in first
        value = {i for i, (a, b) in enumerate(zip(both, first, strict=True)) if a != b}
        support = {i for i, (a, b) in enumerate(zip(both, second, strict=True)) if a != b}
        assert not value & support
        assert {i for i, (a, b) in enumerate(zip(both, neither, strict=True)) if a != b} == value | support
