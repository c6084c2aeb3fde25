"""How well a fact resists a false sentence, by how often training stated it; about 0 for a fact never told."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids
from helpers.prompts.relations import Relation, relation
from helpers.studies.competition.conflicts import BETWEEN, FIRST_WORD
from helpers.studies.competition.sentences import values_of


def advantage(logits: Float[Tensor, " d_vocab"], answer: int, rivals: Sequence[int]) -> float:
    """The answer's logit minus the mean of other answers of its type."""
    return (logits[answer] - logits[list(rivals)].mean()).item()


def resistance(model, relation_or_name: Relation | str, repeated: int = 4, seed: int = 0) -> pd.DataFrame:
    """Each fact of a relation, asked alone and after a false sentence, both within a text that repeats some tokens.

    Returns:
        Columns ``subject, exposures``; ``alone`` and ``against``: the true answer's `advantage` over all other answers
        but the false one, without and with the false sentence; ``gap``: its logit minus the false answer's, with it.
    """
    asked, rng, tokenizer = relation(relation_or_name), random.Random(seed), model.tokenizer
    values, rows, prompts = values_of(model, asked), [], []
    for fact in asked.facts:
        own = values[fact.answer][0]
        false = rng.choice([ids for ids in values.values() if ids[0] != own])
        question = prompt_ids(tokenizer, asked.prompt(fact))[1:]
        words = rng.sample(range(FIRST_WORD, model.cfg.d_vocab), repeated + BETWEEN)
        before, between = words[:repeated], words[repeated:]
        rivals = sorted({ids[0] for ids in values.values()} - {own, false[0]})
        rows.append((fact, own, false[0], rivals))
        prompts += [
            [tokenizer.bos_token_id, *question],
            [tokenizer.bos_token_id, *before, *question, *false, *between, *before, *question],
        ]
    logits = logits_after(read_network(model), prompts)[:, 0]
    return pd.DataFrame(
        dict(
            subject=fact.subject,
            exposures=fact.exposures,
            alone=advantage(alone, own, rivals),
            against=advantage(against, own, rivals),
            gap=(against[own] - against[false]).item(),
        )
        for (fact, own, false, rivals), alone, against in zip(
            rows, *torch.stack([logits[::2], logits[1::2]]), strict=True
        )
    )
