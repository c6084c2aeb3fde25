"""Relations as the tables of the book ask them: other templates, other facts, taught and held-out paraphrases."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, get_args

import torch

from helpers.checks import Amount, Whole, checked
from helpers.prompts.facts import fact_pairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import REAL, held_out_paraphrases, relation, relations, taught_paraphrases

N_PAIRS = 20
WORDING_STEP = 2  # every second one
Wording = Literal["first wording", "other facts", "second wording", "taught", "held out"]
WORDINGS: tuple[Wording, ...] = get_args(Wording)


def asked_relations() -> list[str]:
    """The relations that the tables ask: the four kinds of knowledge, where both halves have enough pairs."""
    return [name for name in relations(*REAL) if name not in ("occupation_gender", "occupation_age")]


def worded_pairs(model, name: str, wording: Wording = "first wording", n: int = N_PAIRS) -> PromptPairs:
    """Pairs of a relation in one of several wordings.

    - ``"first wording"``, ``"second wording"``: facts of the train half in one paraphrase.
    - ``"other facts"``: facts of the test half in the first paraphrase.
    - ``"taught"``, ``"held out"``: the same facts of the train half, each in a paraphrase in which training stated it,
      or in one in which it never did; only facts that the model knows in both. They may be fewer than ``n``.

    Raises:
        ValueError: for an unknown wording, or if there aren't so many pairs.
    """
    if wording not in WORDINGS:
        raise ValueError(f"unknown wording {wording!r}; choose from {', '.join(WORDINGS)}")
    if wording in ("taught", "held out"):
        return dict(zip(("taught", "held out"), taught_and_held_out(model, name, n), strict=True))[wording]
    split = "test" if wording == "other facts" else "train"
    return relation_pairs(model, name, n, split=split, paraphrase=int(wording == "second wording"))


def taught_and_held_out(model, name: str, n: int = N_PAIRS) -> tuple[PromptPairs, PromptPairs]:
    """The same facts in words in which training stated them, and in words in which it never did.

    Raises:
        ValueError: if the model knows no fact in both.
    """
    asked, base = relation(name), relation_pairs(model, name, n)
    fact_of = {asked.prompt(fact): fact for fact in asked.facts}
    rows: tuple[list, list] = ([], [])
    for place, (clean, corrupt) in enumerate(zip(base.clean, base.corrupt, strict=True)):
        fact, other = fact_of[clean], fact_of[corrupt]
        choices = [kind(asked, fact) for kind in (taught_paraphrases, held_out_paraphrases)]
        for row, paraphrases in zip(rows, choices, strict=True):
            p = paraphrases[place % len(paraphrases)]
            row.append((fact, other, p))
    texts = [asked.prompt(fact, p) for part in rows for *two, p in part for fact in two]
    lengths = [len(model.tokenizer.encode(text)) for text in texts]
    equal = torch.tensor(lengths).view(2, -1, 2)
    fit = [i for i, same in enumerate((equal[..., 0] == equal[..., 1]).all(0).tolist()) if same]
    both = [fact_pairs(model, asked, [part[i] for i in fit]) for part in rows]
    known = torch.stack([pairs.clean_logits(model).argmax(-1) == pairs.answer_ids for pairs in both]).all(0)
    if not known.any():
        raise ValueError(f"the model knows no fact of {name} both in taught words and in held-out ones")
    taught, held_out = (pairs.select(known.nonzero()[:, 0]) for pairs in both)
    return taught, held_out


@checked
def taught_prefixes(relation_names: Sequence[str], n: Amount = 10, seed: Whole = 0) -> list[str]:
    """Statements of other facts, as they stand before a statement in Atlas's corpus."""
    if not relation_names:
        raise ValueError("statements need relations to be drawn from; give the name of one at least")
    rng, result = random.Random(seed), []
    for number in range(n):
        table = relation(relation_names[number % len(relation_names)])
        fact = rng.choice([f for f in table.facts if f.well_taught])
        result.append(f"{table.prompt(fact, rng.choice(taught_paraphrases(table, fact)))} {fact.answer}.")
    return result
