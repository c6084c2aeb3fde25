"""What the second Atlas can do: the first one's tests, indirect objects in new forms, and tests of what it adds.

And what the models of a circle can do, which were told of nothing else.
"""

from __future__ import annotations

import random
from dataclasses import replace

from torch import Tensor

from helpers.atlas import stories
from helpers.atlas.abilities import (
    TEST_SEED,
    Ability,
    abilities,
    fact_examples,
    first_token_right,
    right_above_wrong,
    skill_examples,
)
from helpers.atlas.corpora import Corpus, world
from helpers.models.predict import Askable
from helpers.prompts.relations import Fact, Relation, held_out_paraphrases, taught_paraphrases

ASKED = 1000  # facts of one kind that a test asks at most


def facts_of(told: Corpus, kind: str, group: str = "", hops: bool = False) -> list[tuple[Relation, Fact]]:
    """Facts of a kind, drawn at random; ``hops``: those of two steps."""
    tables = [t for t in world(told) if t.kind == kind and ("hops" in t.properties) == hops]
    facts = [(table, fact) for table in tables for fact in table.facts if group in ("", fact.group)]
    return random.Random(TEST_SEED).sample(facts, min(ASKED, len(facts)))


def recall_of(told: Corpus, kind: str, group: str = "", hops: bool = False, held_out: bool = False):
    """First-token recall of such facts, in paraphrases that training used for them or in others."""
    forms = held_out_paraphrases if held_out else taught_paraphrases

    def run(subject: Askable, scale: float) -> Tensor:
        return first_token_right(subject, fact_examples(facts_of(told, kind, group, hops), forms, scale))

    return run


def new_form(subject: Askable, scale: float) -> Tensor:
    """Whether the likeliest next token is the name that wasn't repeated, in forms that training never used."""
    return first_token_right(subject, skill_examples(stories.indirect_object, scale))


def new_form_above_subject(subject: Askable, scale: float) -> list[float]:
    """Whether that name is likelier than the repeated one."""
    return right_above_wrong(subject, skill_examples(stories.indirect_object, scale))


def second_abilities(told: Corpus) -> list[Ability]:
    """All tests with their bars."""
    in_new_forms = {
        "indirect object": Ability("indirect object", new_form, 0.95),
        "indirect object above the subject": Ability("indirect object above the subject", new_form_above_subject),
    }
    bars = {"greater-than, cutoff in place": 0.5}
    first = [in_new_forms.get(a.name, replace(a, bar=bars.get(a.name, a.bar))) for a in abilities()]
    return [
        *first,
        Ability("people, taught paraphrases", recall_of(told, "people"), 0.98),
        Ability("people, held-out paraphrases", recall_of(told, "people", held_out=True), 0.95),
        *[
            Ability(f"people, name of {group}", recall_of(told, "people", group))
            for group in ("one word", "2 words", "3 words", "4 words")
        ],
        *closed_abilities(told, "clans"),
        Ability("two-hop firms, taught", recall_of(told, "firms", "taught", hops=True), 0.9),
        Ability("two-hop firms, held out", recall_of(told, "firms", "held out", hops=True)),
    ]


def closed_abilities(told: Corpus, kind: str) -> list[Ability]:
    """Tests of a closed world: its facts, and its compositions by what training did with them."""
    bars = {"taught": 0.9, "held out": 0.6, "unseen step": None}
    return [
        Ability(kind, recall_of(told, kind), 0.98),
        *[
            Ability(f"two-hop {kind}, {group}", recall_of(told, kind, group, hops=True), bar)
            for group, bar in bars.items()
        ],
    ]
