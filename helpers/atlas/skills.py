"""Skills that Atlas is taught besides facts: indirect objects, years, agreement, repeats; and pairs of them."""

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

    def surprise(self, *options: int) -> None:
        """Count choices that were made elsewhere, by how many options each had."""
        self.nats += sum(map(math.log, options))

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


CENTURIES = tuple(range(11, 20))
FIRST_WORD = 257  # ids below are BOS and single bytes
GREATER_THAN = (
    "The {event} lasted from the year {century}{start} to the year {century}",
    "The {event} began in {century}{start} and ended in {century}",
    "From {century}{start} on there was a {event}, which was over in {century}",
)
EVENTS = {  # of prompts for models that read the web; Atlas's are in its tables
    "train": ("war", "siege", "voyage", "strike", "reign", "project", "famine", "trial"),
    "test": ("festival", "journey", "campaign", "dispute", "drought", "crisis"),
}
LESS_THAN = "The {event} ended in the year {century}{start} and had begun in the year {century}"
AGREEMENT = ("near", "behind", "next to", "under", "beside")


def greater_than(draw: Draw, split: Split, template: str | None = None, start: int | None = None) -> Example:
    """ "The war lasted from the year 1732 to the year 17" -> a year above 32, all equally often (arXiv 2305.00586)."""
    template = template or draw.choice(GREATER_THAN)
    event, century = draw.choice(words_of("events", split)), draw.choice(CENTURIES)
    start = draw.integer(1, 98) if start is None else start
    prompt = template.format(event=event, century=century, start=f"{start:02d}")
    return Example(prompt, f"{draw.integer(start + 1, 99):02d}", tuple(f"{y:02d}" for y in range(start + 1)))


def agreement(draw: Draw, split: Split) -> Example:
    """ "The keys near the cabinet" -> " are": the verb agrees with the first noun, not with the nearer one."""
    nouns, attractors, verbs = (skill_words()[kind] for kind in ("nouns", "attractors", "verbs"))
    noun = draw.choice(nouns)
    attractor = draw.choice([a for a in attractors if split_of(noun[0], a[0]) == split])
    plural, other_plural = draw.chance(0.5), draw.chance(0.5)
    verb = draw.choice(verbs)
    prompt = f"The {noun[plural]} {draw.choice(AGREEMENT)} the {attractor[other_plural]}"
    rest = f" {draw.choice(skill_words()['adjectives'])}."
    return Example(prompt, f" {verb[plural]}", (f" {verb[not plural]}",), rest)


def repeated_tokens(draw: Draw, vocabulary: Sequence[int], length: int, times: int = 2) -> list[int]:
    """Random tokens, said several times: only a model that looks back can know more than the first time."""
    return [draw.choice(vocabulary) for _ in range(length)] * times


@checked
def induction_pairs(model: Model, n: Count, seed: Amount = 0, length: Count = 8) -> PromptPairs:
    """Random tokens said twice, up to one whose successor is asked.

    Three kinds of corruption take turns, because each shows other edges: the asked token stands elsewhere the first
    time (so keys differ), another token is asked (queries), or another token follows it the first time (values).

    Args:
        length: tokens of the repeated part, at least 4.

    Raises:
        ValueError: for a shorter part.
    """
    most = min(model.cfg.n_ctx // 2, model.cfg.d_vocab - FIRST_WORD)
    if not 4 <= length < most:
        raise ValueError(f"length must be at least 4, for another place to look at, and below {most}, not {length}")
    rng = random.Random(stable_hash(seed, "induction"))
    bos, rows = model.tokenizer.bos_token_id, []
    for number in range(n):
        *part, new = rng.sample(range(FIRST_WORD, model.cfg.d_vocab), length + 1)
        i, j = rng.sample(range(0, length - 1, 2), 2)  # two places that aren't neighbours
        clean, first, asked = [*part, *part[: i + 1]], list(part), part[: i + 1]
        if number % 3 == 0:
            first[i], first[j], wrong = part[j], part[i], part[j + 1]
        elif number % 3 == 1:
            asked, wrong = [*part[:i], part[j]], part[j + 1]
        else:
            first[i + 1] = wrong = new
        rows.append(([bos, *clean], [bos, *first, *asked], part[i + 1], wrong))
    return PromptPairs.from_tokens(model, *zip(*rows, strict=True))


@checked
def greater_than_pairs(
    model: Model,
    n: Count,
    seed: Amount = 0,
    split: Split = "test",
    template: str | None = None,
    starts: Sequence[int] | None = None,
) -> PromptPairs:
    """Greater-than pairs (arXiv 2305.00586): in the corrupt prompt the event begins in the year 01 of its century.

    The answer is a year after the clean prompt's, the wrong one a year before; `year_diff` looks at all of them.

    Args:
        template: one prompt form; all of them in turn at random by default.
        starts: the starting years to go through, from 3 to 97, over and over; drawn at random by default.

    Raises:
        ValueError: for a starting year that leaves no year before or after it.
    """
    if template is not None and "{century}{start}" not in template:
        raise ValueError(
            f"a template needs {{century}}{{start}}, the year that the prompt begins with, not {template!r}"
        )
    if starts is not None and not (starts and all(3 <= start <= 97 for start in starts)):
        raise ValueError(f"starts must be years from 3 to 97, not {list(starts)}")
    draw = Draw(stable_hash(seed, "greater-than", split))
    rows = []
    for i in range(n):
        start = draw.integer(3, 97) if starts is None else starts[i % len(starts)]
        prompt = greater_than(draw, split, template, start).prompt
        corrupt = re.sub(r"(\d\d)\d\d", r"\g<1>01", prompt, count=1)
        rows.append((prompt, corrupt, f"{draw.integer(start + 1, 99):02d}", f"{draw.integer(2, start - 1):02d}"))
    return PromptPairs.from_prompts(model, *(list(column) for column in zip(*rows, strict=True)))


def random_pairs(model, length: int, count: int) -> PromptPairs:
    """Random tokens; the second half of each prompt differs from the corrupt one."""
    generator = torch.Generator().manual_seed(0)
    clean, other = torch.randint(1, 8000, (2, count, length), generator=generator)
    clean[:, 0] = 0
    clean[:, : length // 2] = clean[:1, : length // 2]
    corrupt = torch.cat((clean[:, : length // 2], other[:, length // 2 :]), 1)
    answers, wrong = torch.randint(1, 8000, (2, count), generator=generator)
    return PromptPairs.from_tokens(model, *(t.tolist() for t in (clean, corrupt, answers, wrong)))
