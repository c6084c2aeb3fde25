"""Conflicts exchange exactly one support at a time, and keep the halves of the data apart."""

from dataclasses import replace
from inspect import unwrap
from types import SimpleNamespace

import pytest
import torch

from helpers import relation
from helpers.atlas.skills import indirect_object_pairs
from helpers.prompts.facts import split_of
from helpers.studies.competition.conflicts import fact_conflicts, name_conflicts, taught_conflicts


@pytest.fixture(scope="module")
def facts(atlas):
    return fact_conflicts(atlas, "country_capital", 6, repeated=[3], split="test")


@pytest.fixture(scope="module")
def names(atlas):
    return name_conflicts(atlas, 6, repeated=[0, 2])


def differing(one, other):
    return [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


def test_a_fact_is_told_between_two_occurrences_of_the_random_tokens(facts, atlas):
    bos = atlas.tokenizer.bos_token_id
    for ids, answer, value in zip(facts.both.clean_ids, facts.both.answer_ids, facts.both.wrong_ids, strict=True):
        half = ids[1:4]
        assert ids[0] == bos and answer not in ids and value in ids
        second = next(i for i in range(4, len(ids)) if ids[i : i + 3] == half)
        question = ids[second + 3 :]
        assert ids[4 : 4 + len(question)] == question, "the same sentence begins twice"
        assert ids[4 + len(question)] == value


@pytest.mark.parametrize("kind", ["facts", "names"])
def test_each_prompt_lacks_exactly_one_support(kind, request):
    conflicts = request.getfixturevalue(kind)
    rows = zip(
        conflicts.both.clean_ids,
        conflicts.first.clean_ids,
        conflicts.second.clean_ids,
        conflicts.both.corrupt_ids,
        strict=True,
    )
    for both, first, second, neither in rows:
        assert len({len(both), len(first), len(second), len(neither)}) == 1
        value, support = set(differing(both, first)), set(differing(both, second))
        assert value and support and not value & support
        assert set(differing(both, neither)) == value | support
        assert [first[i] for i in value] == [neither[i] for i in value]
        assert [second[i] for i in support] == [neither[i] for i in support]
    assert conflicts.first.corrupt_ids == conflicts.second.corrupt_ids == conflicts.both.corrupt_ids


@pytest.mark.parametrize("kind", ["facts", "names"])
def test_answers_change_sides(kind, request):
    conflicts = request.getfixturevalue(kind)
    assert torch.equal(conflicts.first.answer_ids, conflicts.second.wrong_ids)
    assert torch.equal(conflicts.first.wrong_ids, conflicts.second.answer_ids)
    assert torch.equal(conflicts.both.answer_ids, conflicts.first.answer_ids)
    assert (conflicts.both.answer_ids != conflicts.both.wrong_ids).all()


def test_halves_stay_apart_and_repeat_themselves(atlas, facts):
    capitals = {fact.subject: fact for fact in relation("country_capital").facts}
    assert all(split_of(capitals[name]) == "test" for name in facts.about.subject)
    again = fact_conflicts(atlas, "country_capital", 6, repeated=[3], split="test")
    other = fact_conflicts(atlas, "country_capital", 6, repeated=[3], split="test", seed=1)
    assert again.both.clean_ids == facts.both.clean_ids != other.both.clean_ids


def test_select_keeps_rows_together(facts):
    some = facts.select([4, 1])
    assert some.both.clean == (facts.both.clean[4], facts.both.clean[1])
    assert some.second.clean == (facts.second.clean[4], facts.second.clean[1])
    assert list(some.about.subject) == [facts.about.subject[4], facts.about.subject[1]]


def test_a_repeated_part_of_no_tokens_leaves_two_sentences(names, atlas):
    plain = [ids for ids, m in zip(names.both.clean_ids, names.about.repeated, strict=True) if m == 0]
    assert plain
    for ids in plain:
        text = atlas.tokenizer.decode(ids[1:])
        told, asked = text.split(".", 1)
        assert told.strip().rsplit(" ", 1)[0].split(" ", 1)[1] in asked


def test_conflicts_are_asked_both_ways(atlas):
    crafts = {fact.subject: fact for fact in relation("person_craft").facts}
    conflicts = taught_conflicts(atlas, "person_craft", 20, split="test")
    assert conflicts.first.clean == conflicts.second.clean == conflicts.both.clean
    assert 0 < (conflicts.about.told > 0.5).sum() < len(conflicts), "the sides are drawn"
    for row, answer, wrong in zip(
        conflicts.about.itertuples(), conflicts.both.answers, conflicts.both.wrong, strict=True
    ):
        fact = crafts[row.subject]
        sides = (fact.answer, fact.other) if row.told == fact.rate and row.told > 0.5 else (fact.other, fact.answer)
        if row.told != 0.5:
            assert f" {sides[0]}".startswith(answer) and f" {sides[1]}".startswith(wrong)
    assert torch.equal(conflicts.first.answer_ids, conflicts.both.answer_ids)
    assert torch.equal(conflicts.second.answer_ids, conflicts.both.wrong_ids)
    assert (conflicts.first.wrong_ids != conflicts.first.answer_ids).all()


def test_relations_that_cannot_conflict(atlas):
    lonely = replace(relation("country_capital"), facts=relation("country_capital").facts[:1])
    for split in ("train", "test"):
        with pytest.raises(ValueError, match="no two subjects of equal length"):
            fact_conflicts(atlas, lonely, 2, split=split, known=False)
    with pytest.raises(ValueError, match="no conflicting facts"):
        taught_conflicts(atlas, "country_capital", 2)


def test_a_relation_with_few_answers_says_so(atlas):
    """Two subjects of equal length, and no third country to tell: an error, not a search without an end."""
    capitals = relation("country_capital")
    fact, *_ = [fact for fact in capitals.facts if split_of(fact) == "test"]
    twin = next(
        other
        for other in capitals.facts
        if split_of(other) == "test"
        and other.answer != fact.answer
        and len(atlas.tokenizer.encode(capitals.prompt(other))) == len(atlas.tokenizer.encode(capitals.prompt(fact)))
    )
    with pytest.raises(ValueError, match="too few different answers"):
        fact_conflicts(atlas, replace(capitals, facts=(fact, twin)), 1, split="test", known=False)


def test_names_that_are_never_equally_long_end_with_an_error():
    class Growing:
        bos_token_id, lengths = 0, iter(range(1, 10_000))

        def encode(self, text, **options):
            return [300] * next(self.lengths)

    model = SimpleNamespace(tokenizer=Growing(), cfg=SimpleNamespace(d_vocab=8192))
    for make in (name_conflicts, unwrap(indirect_object_pairs)):
        with pytest.raises(ValueError, match="of 200 draws 0 have names of equal length"):
            make(model, 1)
