"""What the book says about tokens holds: whole answers, years in two halves, one token wherever a word stands."""

import pytest
from transformers import AutoTokenizer

from helpers.atlas.tokenizer import BOS, VOCABULARY_SIZE, first_word, pinned_words, train_tokenizer
from helpers.models.load import WEIGHTS


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS / "atlas")


def pieces(tokenizer, text: str) -> list[str]:
    return [tokenizer.decode([i]) for i in tokenizer.encode(text, add_special_tokens=False)]


def test_one_special_token_begins_a_text(tokenizer):
    assert len(tokenizer) == VOCABULARY_SIZE
    assert tokenizer.bos_token == tokenizer.eos_token == BOS
    assert (
        tokenizer.encode("The")[0] == tokenizer.bos_token_id
        and tokenizer.encode("The").count(tokenizer.bos_token_id) == 1
    )


def test_a_word_is_the_same_token_at_the_start_and_inside(tokenizer):
    assert pieces(tokenizer, "France is near Spain") == [" France", " is", " near", " Spain"]
    assert pieces(tokenizer, " France") == [" France"]


def test_years_are_cut_in_two(tokenizer):
    for year in ("1732", "1907", "1100"):
        assert pieces(tokenizer, f"in the year {year}")[-2:] == [f" {year[:2]}", year[2:]]


def test_pinned_words_are_whole(tokenizer):
    for word in pinned_words():
        if word.isalpha():
            assert pieces(tokenizer, f" {word}") == [f" {word}"]
    assert first_word("Addis Ababa") == "Addis"


@pytest.mark.parametrize(
    "text", ["Łódź is café 東京 🙂", "  two  spaces", "a\nnew line\tand tab", "don't; x->y (1,234.5)"]
)
def test_any_text_survives(tokenizer, text):
    decoded = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False), clean_up_tokenization_spaces=False)
    assert decoded == (text if text.startswith(" ") else f" {text}")


def test_training_is_deterministic_and_keeps_the_size(monkeypatch):
    monkeypatch.setattr("helpers.atlas.tokenizer.PIN", 3)
    texts = ["The capital of France is Paris."] * 50
    first, second = (train_tokenizer(texts, size=5000) for _ in range(2))
    assert first.get_vocab() == second.get_vocab() and first.get_vocab_size() <= 5000
