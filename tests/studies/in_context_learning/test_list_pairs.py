"""Pairs of lists are alike token for token and part for part, and nothing of one stands in the other."""

import pytest
import torch

from helpers.studies.in_context_learning.few_shot import (
    FewShotPrompts,
    copy_demonstrations,
    few_shot_prompts,
    part_names,
)
from helpers.studies.in_context_learning.list_pairs import as_pairs, few_shot_pairs, word_size


def test_pairs_of_lists_with_lines(atlas):
    shots = few_shot_prompts("country_capital", 6, 3, split="train")
    pairs = few_shot_pairs(atlas, shots, known=False)
    assert len(pairs) == 6 and (pairs.answer_ids != pairs.wrong_ids).all()
    for one, clean, corrupt in zip(shots, pairs.clean, pairs.corrupt, strict=True):
        assert clean == one.prompt and not any(key in corrupt for key, _ in one.lines)
    again = few_shot_pairs(atlas, shots, known=False)
    assert again.corrupt == pairs.corrupt != few_shot_pairs(atlas, shots, seed=1, known=False).corrupt


def test_pairs_without_lines_ask_the_same_relation(atlas):
    shots = [s.without_lines() for s in few_shot_prompts("country_capital", 8, 3, split="train")]
    pairs = few_shot_pairs(atlas, shots, known=False)
    answers = {f" {s.answer}" for s in shots}
    assert set(pairs.wrong) <= answers and all(a != w for a, w in zip(pairs.answers, pairs.wrong, strict=True))


def test_novel_lists_pair_with_novel_lists(atlas):
    shots = copy_demonstrations(12, 3)
    pairs = few_shot_pairs(atlas, shots, known=False)
    assert set(pairs.wrong) <= {f" {s.answer}" for s in shots}


def test_a_list_without_partner(atlas):
    one = FewShotPrompts((), "Japan", "Tokyo", "arrow")
    with pytest.raises(ValueError, match="no list has a partner"):
        few_shot_pairs(atlas, [one], known=False)


def test_a_list_beside_itself(atlas):
    shots = few_shot_prompts("plural", 3, 2)
    pairs = as_pairs(atlas, shots)
    assert pairs.clean == pairs.corrupt and torch.equal(pairs.answer_ids, pairs.wrong_ids)
    assert len(pairs.clean_ids[0]) == len(part_names(atlas.tokenizer, shots[0]))


def test_word_size(atlas):
    assert word_size(atlas.tokenizer, "Japan") == len(atlas.tokenizer.encode("a Japan", add_special_tokens=False)) - 1
