"""Prompts of skills, not of facts: indirect objects, and the years of greater-than; and choices with their odds."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from helpers.checks import Amount, Count, Model, checked
from helpers.models.predict import answer_ids, prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import FACTS, Split, stable_hash

T = TypeVar("T")


class Draw:
    """A seeded source of choices; ``nats`` is minus the log-probability of all choices made since `restart`.

    If every choice can be read off the finished text, ``nats`` is the text's information content: no model can have
    a lower expected loss on it. If two ways of choosing give the same text, it is an upper bound of that content.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nats = 0.0

    def restart(self) -> None:
        """Start a new text: forget the surprise so far."""
        self.nats = 0.0

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``, each equally likely."""
        self.nats += math.log(len(options))
        return options[self.rng.randrange(len(options))]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """``count`` different ``options`` in random order."""
        self.nats += sum(math.log(len(options) - i) for i in range(count))
        return self.rng.sample(options, count)

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        self.nats += math.log(high - low + 1)
        return self.rng.randint(low, high)

    def chance(self, probability: float) -> bool:
        """True with the given probability (strictly between 0 and 1)."""
        hit = self.rng.random() < probability
        self.nats -= math.log(probability if hit else 1 - probability)
        return hit


TRIES = 200  # draws for each pair that is wanted, until names of equal length are given up
TEST_SHARE = 5  # one in five names, objects, ... is kept for the test part
INDIRECT_OBJECT = (
    "When {a} and {b} went to the {place}, {s} gave the {object} to",
    "Then {a} and {b} came to the {place}, and {s} handed the {object} to",
    "After {a} and {b} had met at the {place}, {s} sold the {object} to",
    "While {a} and {b} were at the {place}, {s} showed the {object} to",
    "{a} and {b} sat in the {place}. Before long, {s} passed the {object} to",
    "Yesterday {a} and {b} walked to the {place}. There {s} offered the {object} to",
)


@dataclass(frozen=True)
class Example:
    """A prompt, its right continuation and wrong ones of the same kind; continuations start with their space."""

    prompt: str
    answer: str
    wrong: tuple[str, ...] = ()
    rest: str = "."

    @property
    def text(self) -> str:
        """The whole sentence as the corpus states it."""
        return self.prompt + self.answer + self.rest


@cache
def skill_words() -> dict[str, list]:
    """The word lists of ``helpers/facts/skills.json``."""
    return json.loads((FACTS / "skills.json").read_text(encoding="utf-8"))


def split_of(*parts: object) -> Split:
    """To which part a combination belongs, by a stable hash."""
    return "test" if stable_hash("skill", *parts) % TEST_SHARE == 0 else "train"


@cache
def words_of(kind: str, split: Split) -> tuple:
    """The words of a list that belong to one part."""
    return tuple(w for w in skill_words()[kind] if split_of(kind, w) == split)


def indirect_object(draw: Draw, split: Split) -> Example:
    """ "When Mary and John went to the store, John gave the drink to" -> " Mary" (arXiv 2211.00593)."""
    template, place = draw.choice(INDIRECT_OBJECT), draw.choice(skill_words()["places"])
    item = draw.choice(words_of("objects", split))
    a = draw.choice(skill_words()["names"])
    b = draw.choice(partners(a, split))
    subject, answer = (a, b) if draw.chance(0.5) else (b, a)
    prompt = template.format(a=a, b=b, s=subject, place=place, object=item)
    return Example(prompt, f" {answer}", (f" {subject}",))


@cache
def partners(name: str, split: Split) -> tuple[str, ...]:
    """The names that may stand beside ``name`` in one part; a pair belongs to one part in both orders."""
    return tuple(n for n in skill_words()["names"] if n != name and split_of(*sorted((name, n))) == split)


@checked
def indirect_object_pairs(model: Model, n: Count, seed: Amount = 0, split: Split = "test") -> PromptPairs:
    """Indirect-object pairs (arXiv 2211.00593): in the corrupt prompt the other name is repeated.

    Raises:
        ValueError: if the tokenizer splits nearly all names, so that too few pairs have names of equal length.
    """
    draw = Draw(stable_hash(seed, "indirect object", split))
    clean, corrupt, answers, wrong = [], [], [], []
    for _ in range(TRIES * n):
        if len(clean) == n:
            break
        example = indirect_object(draw, split)
        name, subject = example.answer.strip(), example.wrong[0].strip()
        head, tail = example.prompt.rsplit(subject, 1)
        other = head + name + tail
        if len(prompt_ids(model.tokenizer, other)) == len(prompt_ids(model.tokenizer, example.prompt)):
            clean.append(example.prompt), corrupt.append(other)
            answers.append(example.answer), wrong.append(example.wrong[0])
    if len(clean) < n:
        raise ValueError(f"of {TRIES * n} draws {len(clean)} have names of equal length: the tokenizer splits names")
    return PromptPairs.from_prompts(model, clean, corrupt, answers, wrong, first_token=True)


def start_years(pairs: PromptPairs) -> Int[Tensor, " batch"]:
    """The last two digits of the first year in each clean prompt; ValueError where there is none."""
    years = [found and int(found[1]) for found in (re.search(r"\d\d(\d\d)", text) for text in pairs.clean)]
    if None in years:
        raise ValueError(f"there is no year in {pairs.clean[years.index(None)]!r}; this asks for greater-than pairs")
    return torch.tensor(years, device=pairs.answer_ids.device)


def year_ids(model, prompt: str) -> list[int]:
    """The tokens of the 100 years 00 to 99 as they stand after a prompt that ends with a century."""
    return [answer_ids(model.tokenizer, prompt, f"{year:02d}")[0] for year in range(100)]
