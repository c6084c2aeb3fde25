"""The corpora of Atlas by name: the first one, the second one told in two ways, and a circle of clans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from helpers.atlas.circle import circle_corpus, circle_world
from helpers.atlas.corpus import Document, corpus
from helpers.atlas.second_corpus import second_corpus, second_world
from helpers.prompts.relations import Relation, relations

Corpus = Literal["first", "profiles", "plain", "circle"]
PEOPLE: tuple[Corpus, ...] = ("profiles", "plain")  # those that tell of people


def documents(name: Corpus, seed: int, vocabulary: Sequence[int], more_repeats: bool = False) -> list[Document]:
    """All documents of one training run in training order (`corpus.corpus`, `second_corpus.second_corpus`)."""
    if name == "circle":
        return circle_corpus(seed)
    return corpus(seed, vocabulary) if name == "first" else second_corpus(seed, vocabulary, name, more_repeats)


def world(name: Corpus) -> list[Relation]:
    """The relations that a corpus states."""
    if name == "circle":
        return circle_world()
    return list(relations().values()) if name == "first" else second_world(name)


def words_of_world(name: Corpus) -> list[Relation]:
    """The relations whose words the tokenizer keeps whole: one tokenizer for all but the first."""
    return world("first") if name == "first" else [*world("profiles"), *world("plain")]
