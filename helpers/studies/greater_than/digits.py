"""Greater-than for a tokenizer that writes digit by digit: a later decade's digit, or an earlier one's?

A map of digits has a row for each decade of the starting year and a column for each digit 0 to 9 (arXiv 2305.00586).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.skills import EVENTS, start_years
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import Metric, higher_is_better
from helpers.models.predict import answer_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, stable_hash
from helpers.studies.greater_than.years import said_by_sources

CENTURIES = (11, 19)  # the first and the last


def digit_pairs(model, template: str, starts: Sequence[int], split: Split = "test") -> PromptPairs:
    """Prompts that end before the tens digit of a second year; the corrupt prompt's first year is 01.

    The answer is a later decade's digit and the wrong one an earlier decade's; `digit_diff` looks at all of them.

    Args:
        template: with ``{event}``, ``{century}`` and ``{start}``.
        starts: one prompt for each of these years, 10 to 89.

    Raises:
        ValueError: for a year that leaves no decade before or after it.
    """
    if not all(10 <= start < 90 for start in starts):
        raise ValueError(f"starts must be years from 10 to 89, not {list(starts)}")
    rng, rows = random.Random(stable_hash("digits", split)), []
    for start in starts:
        event, century, decade = rng.choice(EVENTS[split]), rng.randint(*CENTURIES), start // 10
        prompts = (template.format(event=event, century=century, start=year) for year in (start, "01"))
        rows.append((*prompts, str(rng.randint(decade + 1, 9)), str(rng.randint(0, decade - 1))))
    return PromptPairs.from_prompts(model, *(list(column) for column in zip(*rows, strict=True)))


def digit_ids(model, pairs: PromptPairs) -> list[int]:
    """The tokens of the digits 0 to 9 as they stand after the pairs' prompts."""
    return [answer_ids(model.tokenizer, pairs.clean[0], str(digit))[0] for digit in range(10)]


def decades(pairs: PromptPairs) -> Int[Tensor, " batch"]:
    """The tens digit of each clean prompt's starting year."""
    return start_years(pairs) // 10


def later_or_earlier(pairs: PromptPairs) -> Float[Tensor, "batch digit"]:
    """1 for the digits of later decades, -1 for those of earlier ones, 0 for the start's own."""
    decade = decades(pairs)[:, None]
    return (torch.arange(10, device=decade.device) - decade).sign().float()


def digit_diff(model, pairs: PromptPairs) -> Metric:
    """The probability of later decades' digits minus that of earlier ones'; the start's own counts for neither."""
    ids = digit_ids(model, pairs)

    @higher_is_better
    def probability_of_later_decades(
        logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs
    ) -> Float[Tensor, " batch"]:
        return (logits.softmax(-1)[:, ids] * later_or_earlier(pairs).to(logits)).sum(-1)

    return probability_of_later_decades


def next_digits(model, pairs: PromptPairs) -> Float[Tensor, "batch digit"]:
    """The probability of each digit after each clean prompt."""
    return pairs.clean_logits(model).softmax(-1)[:, digit_ids(model, pairs)].cpu()


def own_decade(values: Float[Tensor, "batch digit"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The value of the starting decade's own digit in each prompt."""
    return values.gather(1, decades(pairs).to(values.device)[:, None])[:, 0]


def by_decade(values: Float[Tensor, "*any batch digit"], pairs: PromptPairs) -> Float[Tensor, "*any decade digit"]:
    """The mean over the pairs of each starting decade, earliest first."""
    decade = decades(pairs).to(values.device)
    return torch.stack([values[..., decade == d, :].mean(-2) for d in decade.unique()], -2)


def source_digits(model, pairs: PromptPairs) -> dict[str, Float[Tensor, "batch digit"]]:
    """What each source's write at the last position adds to the digits' logits, against their mean, by prompt."""
    written = said_by_sources(model, pairs, digit_ids(model, pairs))
    return dict(zip(Graph.from_model(model).sources, written, strict=True))


def later_minus_earlier(values: Float[Tensor, "*any batch digit"], pairs: PromptPairs) -> Float[Tensor, "*any batch"]:
    """The mean over later decades' digits minus the mean over earlier ones'."""
    sign = later_or_earlier(pairs).to(values)
    later, earlier = sign.clamp_min(0), (-sign).clamp_min(0)
    return (values * (later / later.sum(-1, keepdim=True) - earlier / earlier.sum(-1, keepdim=True))).sum(-1)
