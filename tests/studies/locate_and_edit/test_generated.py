"""Greedy text and its scores: by hand, and against the model's own next words."""

from helpers.models.network import read_network
from helpers.models.predict import likeliest
from helpers.studies.locate_and_edit.generated import begins, first_sentence, free, greedy


def test_a_sentence_ends_at_its_stop():
    assert first_sentence(" Rome. The capital of France") == "Rome."
    assert first_sentence("St. Petersburg") == "St."
    assert first_sentence("Rome\nand more") == "Rome"


def test_a_text_that_begins_rightly_may_go_on_wrongly():
    text = "Rome, as it has been since Paris"
    assert begins(text, "Rome") and not begins("Romeo", "Rome")
    assert not free(text, "Rome", "Paris") and free("the city of Rome", "Rome", "Paris")
    assert not free("the city", "Rome", "Paris")


def test_greedy_text_begins_with_the_likeliest_word(atlas):
    prompts = ["The capital of France is", "Big Ben is located in"]
    texts = greedy(read_network(atlas), atlas.tokenizer, prompts, tokens=3)
    for prompt, text in zip(prompts, texts, strict=True):
        assert text.startswith(likeliest(atlas, prompt, 1)[0].split()[0])
