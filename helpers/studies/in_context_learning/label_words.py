"""Labels that stand for classes: right ones, random ones and arbitrary letters (Pan et al. 2023, arXiv 2305.09731).

With random labels a list still shows which labels there are, so whoever answers rightly has *recognised* the task. With
letters for labels nothing but the demonstrations says which letter means which class: the task has to be *learnt*.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Literal, get_args

from helpers.prompts.facts import split_of
from helpers.prompts.relations import Fact, Relation, relation, stable_hash
from helpers.studies.in_context_learning.few_shot import FewShotPrompts

Labels = Literal["right", "random", "letters"]
LETTERS = ("A", "B", "C", "D")
GOOD = (
    "wonderful great excellent delightful brilliant charming superb beautiful pleasant amazing lovely perfect splendid"
)
GOOD += " impressive enjoyable fantastic brave honest kind clever"
BAD = "terrible awful horrible boring dreadful ugly disgusting poor nasty annoying painful disappointing cruel bad"
BAD += " stupid weak dull rude useless wrong"
ASKED = ("The sentiment of the word {} is", "Is the word {} positive or negative? It is")
CLASSES = ("sentiment", "substance_phase", "occupation_gender")


def sentiment() -> Relation:
    """Forty adjectives and whether they praise: the paper's relation of which the book has no file."""
    said = {"positive": GOOD.split(), "negative": BAD.split()}
    facts = tuple(Fact("sentiment", word, answer) for answer, words in said.items() for word in words)
    types = {"subject_type": "adjective", "answer_type": "sentiment"}
    return Relation("sentiment", "sentiment of a word", "linguistic", ASKED, facts, types)


def asked_relation(name: str) -> Relation:
    """A relation of the book, or `sentiment`."""
    return sentiment() if name == "sentiment" else relation(name)


def class_lists(
    asked: Relation, n: int, each: int, labels: Labels, style: str, split: Literal["train", "test"] = "test"
) -> list[FewShotPrompts]:
    """Queries of a relation that has few answers, after as many demonstrations of each, in random order.

    Args:
        each: demonstrations of each class; the queries take turns between the classes, so chance is one in as many.
        labels: ``"right"``; ``"random"``: any of the classes for each demonstration; ``"letters"``: a letter for each
            class, dealt anew for each list, and the query's letter is the answer.

    Raises:
        ValueError: for other labels, or too few facts.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"unknown labels {labels!r}; choose from {', '.join(get_args(Labels))}")
    classes: dict[str, list[str]] = defaultdict(list)
    for fact in asked.facts:
        if split_of(fact) == split:
            classes[fact.answer].append(fact.subject)
    if any(len(words) <= each for words in classes.values()):
        raise ValueError(f"{asked.name} has a class of no more than {each} facts in the {split} half: too few")
    rng, result = random.Random(stable_hash(0, "classes", asked.name, split, each)), []
    for number in range(n):
        own = sorted(classes)[number % len(classes)]
        query = rng.choice(classes[own])
        shown = [
            (word, c) for c, words in classes.items() for word in rng.sample([w for w in words if w != query], each)
        ]
        rng.shuffle(shown)
        letters = dict(zip(sorted(classes), rng.sample(LETTERS[: len(classes)], len(classes)), strict=True))
        chance = [rng.choice(sorted(classes)) for _ in shown]
        if labels == "random":
            shown = [(word, other) for (word, _), other in zip(shown, chance, strict=True)]
        elif labels == "letters":
            shown = [(word, letters[c]) for word, c in shown]
        result.append(FewShotPrompts(tuple(shown), query, letters[own] if labels == "letters" else own, style))
    return result
