"""Skill sentences have the answer that their rule says, and the test part shares nothing with training."""

import re

import pytest

from helpers.atlas import lists
from helpers.atlas.skills import agreement, greater_than, repeated_tokens
from helpers.prompts import skills
from helpers.prompts.skills import Draw

COUNT = 300


def made(make, split: str) -> list[skills.Example]:
    draw = Draw(5)
    return [make(draw, split) for _ in range(COUNT)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_indirect_objects(split):
    names = set(skills.skill_words()["names"])
    for example in made(skills.indirect_object, split):
        said = [w for w in re.findall(r"\w+", example.prompt) if w in names]
        assert len(said) == 3 and len(set(said)) == 2
        once = next(w for w in said if said.count(w) == 1)
        assert example.answer == f" {once}" and example.wrong == (f" {said[-1]}",)


def test_indirect_objects_of_the_test_are_new():
    words = skills.skill_words()

    def pairs_and_objects(split):
        examples = made(skills.indirect_object, split)
        pairs = {frozenset((e.answer.strip(), e.wrong[0].strip())) for e in examples}
        return pairs, {o for o in words["objects"] for e in examples if f"the {o} " in f"{e.prompt} "}

    train, test = pairs_and_objects("train"), pairs_and_objects("test")
    assert not train[0] & test[0] and not train[1] & test[1]
    assert all(skills.partners(name, "test") for name in words["names"])


def test_greater_than_has_every_later_year():
    answers = {}
    for example in made(lambda d, s: greater_than(d, s, start=95), "train"):
        assert re.search(r"\d\d95", example.prompt) and re.search(r" \d\d$", example.prompt)
        century = re.search(r"(\d\d)95", example.prompt)[1]
        assert example.prompt.endswith(f" {century}")
        assert len(example.wrong) == 96
        answers[example.answer] = answers.get(example.answer, 0) + 1
    assert set(answers) == {"96", "97", "98", "99"} and min(answers.values()) > COUNT / 8


def test_no_list_is_empty_in_either_part():
    for kind in ("objects", "events"):
        train, test = skills.words_of(kind, "train"), skills.words_of(kind, "test")
        assert len(train) > len(test) >= 2
        assert sorted(train + test) == sorted(skills.skill_words()[kind])


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_verb_agrees_with_the_first_noun(split):
    words = skills.skill_words()
    number = {form: i for pair in words["nouns"] for i, form in enumerate(pair)}
    for example in made(agreement, split):
        noun = example.prompt.split()[1]
        forms = next(pair for pair in words["verbs"] if example.answer.strip() in pair)
        assert example.answer == f" {forms[number[noun]]}" and example.wrong == (f" {forms[1 - number[noun]]}",)


def test_agreement_combinations_of_the_test_are_new():
    def combinations(split):
        words = skills.skill_words()
        heads = {form: pair[0] for kind in ("nouns", "attractors") for pair in words[kind] for form in pair}
        texts = [e.prompt.split() for e in made(agreement, split)]
        return {(heads[t[1]], heads[t[-1]]) for t in texts}

    assert not combinations("train") & combinations("test")


def test_lists():
    pairs = [("a", "1"), ("b", "2")]
    assert lists.list_text(pairs, "arrow") == "a -> 1 ; b -> 2 ;"
    assert lists.list_text(pairs, "question") == "Q: a A: 1 . Q: b A: 2 ."
    example = lists.list_example(pairs, ("c", "3"), "colon")
    assert example.text == "a : 1 , b : 2 , c : 3 ,"
    assert example.answer == " 3" and example.wrong == (" 1", " 2")
    assert len(lists.LIST_FORMATS) >= 3 and not set(lists.LIST_FORMATS) & set(lists.UNTAUGHT_FORMATS)


def test_novel_lists_repeat_a_key():
    draw = Draw(0)
    for _ in range(50):
        example = lists.novel_list(draw, "arrow", 4)
        key = example.prompt.split(" ; ")[-1].removesuffix(" ->")
        assert f"{key} ->{example.answer} ;" in example.prompt


def test_repeated_tokens():
    tokens = repeated_tokens(Draw(0), range(100, 200), 7)
    assert tokens[:7] == tokens[7:] and set(tokens) <= set(range(100, 200))
