"""Skills that Atlas is taught besides facts and indirect objects: years, agreement, repeats; and pairs of them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import torch

from helpers.checks import Amount, Count, Model, checked
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, stable_hash
from helpers.prompts.skills import Draw, Example, skill_words, split_of, words_of

CENTURIES = tuple(range(11, 20))
FIRST_WORD = 257  # ids below are BOS and single bytes
GREATER_THAN = (
    "The {event} lasted from the year {century}{start} to the year {century}",
    "The {event} began in {century}{start} and ended in {century}",
    "From {century}{start} on there was a {event}, which was over in {century}",
)
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
