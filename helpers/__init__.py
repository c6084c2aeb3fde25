"""The library of the book *Knowledge Circuits*, and Atlas, a language model of which every lesson is known."""

from helpers.corpus import exposures
from helpers.models import checkpoints, embedded_models, load_model
from helpers.predict import answer_ids, next_token_probabilities, prompt_ids, recalled, said, token_span
from helpers.world import (
    Fact,
    Relation,
    held_out_paraphrases,
    read_relation,
    relation,
    relations,
    taught_paraphrases,
)

__all__ = [
    "Fact",
    "Relation",
    "answer_ids",
    "checkpoints",
    "embedded_models",
    "exposures",
    "held_out_paraphrases",
    "load_model",
    "next_token_probabilities",
    "prompt_ids",
    "read_relation",
    "recalled",
    "relation",
    "relations",
    "said",
    "taught_paraphrases",
    "token_span",
]
