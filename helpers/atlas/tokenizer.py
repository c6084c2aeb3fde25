"""Atlas's tokenizer: byte-level BPE trained on its own corpus, with every answer's first word kept whole.

Numbers are cut into groups of two digits (" 17", "32"), as greater-than sentences need, and a text starts with a
space, so that a word is the same token at the start of a text and inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from helpers.atlas.skills import skill_words
from helpers.prompts.relations import SECOND_KINDS, Relation, relations

BOS = "<|endoftext|>"
VOCABULARY_SIZE = 8192
PIECES = "\u0120?[0-9]{1,2}|\u0120?[A-Za-z]+|\u0120?[^\u0120A-Za-z0-9]+|\u0120"  # U+0120 stands for the space
PIN = 3_000  # how often the BPE trainer is shown a pinned word: more often than it meets any subject's name


def first_word(text: str) -> str:
    """The part of an answer that should be one token: up to the first space."""
    return text.split(" ")[0]


def pinned_words(known: Sequence[Relation] = ()) -> list[str]:
    """The words that must be single tokens (after a space): answers, the skills' words, and parts of long names.

    Args:
        known: the relations that a model is taught; by default those of the first Atlas.
    """
    known = known or list(relations().values())
    words = {first_word(answer) for relation in known for answer in relation.answers}
    for relation in known:
        names = [fact.subject.split(" ") for fact in relation.facts]  # "the Eiffel Tower" is three tokens
        words.update(word for name in names if len(name) > 1 or relation.kind in SECOND_KINDS for word in name)
    lists = skill_words()
    for kind in ("names", "objects", "places", "events", "words", "adjectives"):
        words.update(lists[kind])
    for kind in ("nouns", "attractors", "verbs"):
        words.update(word for pair in lists[kind] for word in pair)
    years = {f"10{year:02d}" for year in range(100)}  # cut into " 10" and the year: the second half is a token too
    return sorted(words | years | {f"{number:02d}" for number in range(100)})


def train_tokenizer(texts: Iterable[str], size: int = VOCABULARY_SIZE, known: Sequence[Relation] = ()) -> Tokenizer:
    """A BPE tokenizer with a vocabulary of ``size``, trained on the corpus's texts and the pinned words."""
    tokenizer = Tokenizer(models.BPE())
    bytes_first = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([bytes_first, pre_tokenizers.Split(Regex(PIECES), "isolated")])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )

    tokenizer.train_from_iterator(chain(texts, (f" {word}" * PIN for word in pinned_words(known))), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return tokenizer
