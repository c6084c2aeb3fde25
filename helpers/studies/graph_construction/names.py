"""Pairs of people of Atlas whose names share one word, so that only the other can tell them apart."""

from __future__ import annotations

import random
from typing import Literal

from helpers.atlas.corpora import world
from helpers.prompts.facts import fact_pairs, known_facts
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact

Differ = Literal["first", "last"]


def name_pairs(model, differ: Differ, n: int, seed: int = 0) -> PromptPairs:
    """Pairs of people with two-word names that differ in one word only; asked for is the town of birth.

    Raises:
        ValueError: for another word, or if the model knows too few such people.
    """
    if differ not in ("first", "last"):
        raise ValueError(f"names differ in their 'first' or their 'last' word, not in {differ!r}")
    (towns,) = (table for table in world("profiles") if table.name == "resident_town")
    people = known_facts(model, towns, [fact for fact in towns.facts if len(fact.subject.split()) == 2], 0)
    couples = [(f, other, 0) for f in people for other in people if _fits(f, other, differ)]
    random.Random(seed).shuffle(couples)
    if len(couples) < n:
        raise ValueError(f"there are {len(couples)} such pairs, not {n}")
    return fact_pairs(model, towns, couples[:n])


def _fits(fact: Fact, other: Fact, differ: Differ) -> bool:
    (first, last), (other_first, other_last) = fact.subject.split(), other.subject.split()
    alike = (first == other_first, last == other_last)
    return alike == ((False, True) if differ == "first" else (True, False)) and fact.answer != other.answer
