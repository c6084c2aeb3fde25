"""Few-shot lists: their text is the corpus's, parts stand where they should, wrong labels mislead; pairs are alike."""

import pytest
import torch

from helpers.atlas.corpus import held_out_format
from helpers.atlas.lists import LIST_FORMATS, UNTAUGHT_FORMATS, list_example
from helpers.prompts.facts import split_of
from helpers.prompts.relations import relation
from helpers.studies.in_context_learning.few_shot import (
    FewShotPrompts,
    copy_demonstrations,
    corrupted_demonstrations,
    few_shot_prompts,
    listed_tables,
    part_names,
    right,
)
from helpers.studies.in_context_learning.list_pairs import as_pairs, few_shot_pairs, query_pairs


@pytest.mark.parametrize("style", [*LIST_FORMATS, *UNTAUGHT_FORMATS])
def test_the_text_is_that_of_the_corpus(style):
    lines = (("Mali", "Bamako"), ("Peru", "Lima"))
    for shown in (lines, ()):
        one = FewShotPrompts(shown, "Japan", "Tokyo", style)
        assert one.prompt == list_example(shown, ("Japan", "Tokyo"), style).prompt.strip()


def test_parts_by_hand(atlas2):
    one = FewShotPrompts((("dog", "bark"),), "cat", "meow", "question")
    assert one.prompt == "Q: dog A: bark . Q: cat A:"
    names = part_names(atlas2.tokenizer, one)
    assert names[0] == "first" and names.count("separator") == 1 and names[-1] == "end"
    assert [n for i, n in enumerate(names) if n != names[i - 1]] == [
        "first", "delimiter", "input", "delimiter", "label", "separator", "end", "query", "end",
    ]  # fmt: skip


def test_queries_are_of_their_half_and_not_among_the_demonstrations():
    facts = {f.subject: f for f in relation("country_capital").facts}
    for split in ("train", "test"):
        for one in few_shot_prompts("country_capital", 30, 4, split=split):
            keys = [key for key, _ in one.demonstrations]
            assert len(set(keys)) == 4 and one.query not in keys
            assert {split_of(facts[k]) for k in (*keys, one.query)} == {split}
            assert one.style == held_out_format(facts[one.query]) and facts[one.query].answer == one.answer
    assert (
        few_shot_prompts("plural", 5, 2, seed=1)
        == few_shot_prompts("plural", 5, 2, seed=1)
        != few_shot_prompts("plural", 5, 2)
    )
    with pytest.raises(ValueError, match="too few"):
        few_shot_prompts("fruit_inside_color", 3, 40)


def test_misleading_demonstrations():
    shots = few_shot_prompts("country_capital", 12, 4)
    shuffled, first = corrupted_demonstrations(shots, "shuffled")
    for one, other, text in zip(shots, shuffled, first, strict=True):
        assert {v for _, v in one.demonstrations} == {
            v for _, v in other.demonstrations
        } and text == other.demonstrations[0][1]
        assert all(a != b for a, b in zip(one.demonstrations, other.demonstrations, strict=True))
    wrongly, said = corrupted_demonstrations(shots, "answered wrongly")
    assert all(
        o.demonstrations[0] == (o.query, text) and text != o.answer for o, text in zip(wrongly, said, strict=True)
    )
    others, suggested = corrupted_demonstrations(shots, "other relation")
    for one, text in zip(others, suggested, strict=True):
        assert any({**table}.items() >= {*one.demonstrations, (one.query, text)} for table in listed_tables())
        assert text != one.answer
    with pytest.raises(ValueError, match="unknown kind 'bad'"):
        corrupted_demonstrations(shots, "bad")
    with pytest.raises(ValueError, match="at least 2 demonstrations"):
        corrupted_demonstrations(few_shot_prompts("country_capital", 2, 1), "shuffled")
    with pytest.raises(ValueError, match="at least 1 demonstrations"):
        corrupted_demonstrations(few_shot_prompts("country_capital", 2, 0), "answered wrongly")
    with pytest.raises(ValueError, match="needs a demonstration"):
        copy_demonstrations(2, 0)


def test_novel_lists_hold_their_answer():
    for one in copy_demonstrations(10, 5):
        assert (one.query, one.answer) in one.demonstrations and len(one.demonstrations) == 5


def test_demonstrations_make_atlas_right(atlas2):
    shots = few_shot_prompts("country_capital", 20)
    assert right(atlas2, shots).mean() > right(atlas2, [s.without_demonstrations() for s in shots]).mean() + 0.3
    assert right(atlas2, shots, ["Rome"] * 20).mean() < 0.2


def test_pairs_of_lists(atlas2):
    shots = few_shot_prompts("country_capital", 6, 3, split="train")
    pairs = few_shot_pairs(atlas2, shots)
    assert len(pairs) == 6 and (pairs.answer_ids != pairs.wrong_ids).all()
    for one, clean, corrupt in zip(shots, pairs.clean, pairs.corrupt, strict=True):
        assert clean == one.prompt and not any(key in corrupt for key, _ in one.demonstrations)
    again = few_shot_pairs(atlas2, shots)
    assert again.corrupt == pairs.corrupt


def test_pairs_without_demonstrations_ask_the_same_relation(atlas2):
    shots = [s.without_demonstrations() for s in few_shot_prompts("country_capital", 8, 3, split="train")]
    pairs = few_shot_pairs(atlas2, shots)
    answers = {f" {s.answer}" for s in shots}
    assert set(pairs.wrong) <= answers and all(a != w for a, w in zip(pairs.answers, pairs.wrong, strict=True))


def test_novel_lists_pair_with_novel_lists(atlas2):
    shots = copy_demonstrations(12, 3)
    pairs = few_shot_pairs(atlas2, shots)
    assert set(pairs.wrong) <= {f" {s.answer}" for s in shots}


def test_a_list_without_partner(atlas2):
    one = FewShotPrompts((), "Japan", "Tokyo", "arrow")
    with pytest.raises(ValueError, match="no list has a partner"):
        few_shot_pairs(atlas2, [one])


def test_a_list_beside_itself(atlas2):
    shots = few_shot_prompts("plural", 3, 2)
    pairs = as_pairs(atlas2, shots)
    assert pairs.clean == pairs.corrupt and torch.equal(pairs.answer_ids, pairs.wrong_ids)
    assert len(pairs.clean_ids[0]) == len(part_names(atlas2.tokenizer, shots[0]))


def test_query_pairs_change_the_query_alone(atlas2):
    shots = few_shot_prompts("country_capital", 8, 3, split="train")
    pairs = query_pairs(atlas2, shots)
    for clean, corrupt in zip(pairs.clean, pairs.corrupt, strict=True):
        one = next(s for s in shots if s.prompt == clean)
        shown = one.prompt[: one.prompt.rindex(one.query)]
        assert corrupt.startswith(shown) and corrupt != clean
    assert (pairs.answer_ids != pairs.wrong_ids).all()
    with pytest.raises(ValueError, match="to change places with"):
        query_pairs(atlas2, shots[:1])
