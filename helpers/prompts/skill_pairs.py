"""Pairs for skills: induction, indirect objects, greater-than. What a corrupt prompt changes decides what is found."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from helpers.models.predict import answer_ids, prompt_ids
from helpers.prompts import skills
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import stable_hash
from helpers.prompts.skills import Draw

FIRST_WORD = 257  # ids below are BOS and single bytes
TRIES = 200  # draws for each pair that is wanted, until names of equal length are given up


def indirect_object_pairs(model, n: int, seed: int = 0, split: skills.Split = "test") -> PromptPairs:
    """Indirect-object pairs (arXiv 2211.00593): in the corrupt prompt the other name is repeated.

    Raises:
        ValueError: if the tokenizer splits nearly all names, so that too few pairs have names of equal length.
    """
    draw = Draw(stable_hash(seed, "indirect object", split))
    clean, corrupt, answers, wrong = [], [], [], []
    for _ in range(TRIES * n):
        if len(clean) == n:
            break
        example = skills.indirect_object(draw, split)
        name, subject = example.answer.strip(), example.wrong[0].strip()
        head, tail = example.prompt.rsplit(subject, 1)
        other = head + name + tail
        if len(prompt_ids(model.tokenizer, other)) == len(prompt_ids(model.tokenizer, example.prompt)):
            clean.append(example.prompt), corrupt.append(other)
            answers.append(example.answer), wrong.append(example.wrong[0])
    if len(clean) < n:
        raise ValueError(f"of {TRIES * n} draws {len(clean)} have names of equal length: the tokenizer splits names")
    return PromptPairs.from_prompts(model, clean, corrupt, answers, wrong, first_token=True)


def induction_pairs(model, n: int, seed: int = 0, length: int = 8) -> PromptPairs:
    """Random tokens said twice, up to one whose successor is asked.

    Three kinds of corruption take turns, because each shows other edges: the asked token stands elsewhere the first
    time (so keys differ), another token is asked (queries), or another token follows it the first time (values).

    Args:
        length: tokens of the repeated part, at least 4.

    Raises:
        ValueError: for a shorter part.
    """
    if length < 4:
        raise ValueError(f"length must be at least 4, not {length}: there has to be another place to look at")
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


def greater_than_pairs(
    model,
    n: int,
    seed: int = 0,
    split: skills.Split = "test",
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
    if starts is not None and not (starts and all(3 <= start <= 97 for start in starts)):
        raise ValueError(f"starts must be years from 3 to 97, not {list(starts)}")
    draw = Draw(stable_hash(seed, "greater-than", split))
    rows = []
    for i in range(n):
        start = draw.integer(3, 97) if starts is None else starts[i % len(starts)]
        prompt = skills.greater_than(draw, split, template, start).prompt
        corrupt = re.sub(r"(\d\d)\d\d", r"\g<1>01", prompt, count=1)
        rows.append((prompt, corrupt, f"{draw.integer(start + 1, 99):02d}", f"{draw.integer(2, start - 1):02d}"))
    return PromptPairs.from_prompts(model, *(list(column) for column in zip(*rows, strict=True)))


def start_years(pairs: PromptPairs) -> Int[Tensor, " batch"]:
    """The last two digits of the first year in each clean prompt."""
    years = [int(re.search(r"\d\d(\d\d)", text)[1]) for text in pairs.clean]
    return torch.tensor(years, device=pairs.reference.device)


def year_ids(model, prompt: str) -> list[int]:
    """The tokens of the 100 years 00 to 99 as they stand after a prompt that ends with a century."""
    return [answer_ids(model.tokenizer, prompt, f"{year:02d}")[0] for year in range(100)]
