"""What the explorer shows of prompts agrees with the helpers of the chapters."""

import base64

import pytest
import torch
from _tools.explorer_prompts import head_reasons, packed, prompt_views, readable, said_words, some_prompts

from helpers import relation_pairs
from helpers.atlas.wordings import N_PAIRS
from helpers.components.head_classes import LETTERS, classify_heads
from helpers.components.heads import measure_heads
from helpers.components.lens import answer_by_layer, written_words


@pytest.fixture(scope="module")
def pairs(atlas):
    return relation_pairs(atlas, "country_capital", N_PAIRS)


def test_attention_is_packed_without_what_is_hidden():
    pattern = torch.tensor([[[1.0, 0.0], [0.2, 0.8]], [[1.0, 0.0], [1.0, 0.0]]])
    assert list(base64.b64decode(packed(pattern))) == [255, 51, 204, 255, 255, 0]


def test_tokens_are_written_readably():
    given = ("<|endoftext|>", " Paris", "\n", "\ufffd", "\x12")
    assert [readable(token) for token in given] == ["BOS", " Paris", "\u21b5", "(byte)", "(byte)"]


def test_the_lens_is_that_of_the_chapters(atlas, pairs):
    words, (view,) = prompt_views(atlas, pairs, [1])
    table = answer_by_layer(atlas, pairs.select([1]), places=("last",))
    expected = table[table.token == "answer"].sort_values("stop").probability.tolist()
    assert [row[-1] for row in view["answer_p"]] == pytest.approx(expected, abs=6e-4)
    assert words[view["top"][-1][-1][0]].strip() == view["answer"]
    assert len(base64.b64decode(view["attention"])) == 48 * len(view["tokens"]) * (len(view["tokens"]) + 1) // 2


def test_each_row_of_attention_sums_to_one(atlas, pairs):
    _, (view,) = prompt_views(atlas, pairs, [0])
    size = len(view["tokens"])
    levels = torch.tensor(list(base64.b64decode(view["attention"]))).view(48, -1)
    rows, _ = torch.tril_indices(size, size)
    sums = torch.zeros(48, size).index_add(1, rows, levels.float() / 255)
    assert (sums - 1).abs().max() < 0.5 * size / 255


def test_prompts_are_different_ones(atlas):
    pairs = relation_pairs(atlas, "country_capital", 4).select([0, 0, 2, 1])
    assert some_prompts(pairs, 2) == [0, 2]
    assert some_prompts(pairs, 9) == [0, 2, 3]


def test_words_stand_in_the_order_of_sources(atlas, pairs):
    words = said_words(atlas, pairs)
    assert len(words) == 55
    assert words[-1] == [readable(word) for word in written_words(atlas, pairs, ["m5"])["m5"]]


def test_classes_are_the_rules_and_follow_from_the_numbers(atlas, pairs):
    found = head_reasons(measure_heads(atlas, pairs))
    named = classify_heads(atlas, pairs)["class"]
    assert found["classes"] == "".join(LETTERS[name] for name in named)
    for letter, measured in zip(found["classes"], found["measured"], strict=True):
        subject, other, answer, effect, kind = (m >= n for m, n in zip(measured, found["needed"], strict=True))
        mover, relation = subject and (answer or effect), other and kind
        expected = "mixture" if mover and relation else "mover" if mover else "relation" if relation else "none"
        assert letter == LETTERS[expected]
