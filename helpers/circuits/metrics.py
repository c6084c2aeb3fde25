"""How well a run answers: plain functions of the logits at the answer position and of the pairs.

Each takes logits ``[batch d_vocab]`` and the `PromptPairs` they belong to, and gives one value for each pair. More is
better unless `lower_is_better` marks the function; searches turn the sign, so an edge's score is positive if it helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.prompts.pairs import PromptPairs
from helpers.prompts.skills import start_years, year_ids

Metric = Callable[[Tensor, PromptPairs], Tensor]


def lower_is_better(metric: Metric) -> Metric:
    """Mark a metric as a loss."""
    metric.sign = -1
    return metric


def sign_of(metric: Metric) -> int:
    """-1 for a metric of which less is better, else 1."""
    return getattr(metric, "sign", 1)


def _at(logits: Float[Tensor, "batch d_vocab"], ids: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    return logits.gather(-1, ids.to(logits.device)[:, None])[:, 0]


def logit_diff(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The right answer's logit minus the wrong one's."""
    return _at(logits, pairs.answer_ids) - _at(logits, pairs.wrong_ids)


def prob_diff(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The right answer's probability minus the wrong one's."""
    return logit_diff(logits.softmax(-1), pairs)


@lower_is_better
def match_nll(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """Minus the log-probability of the right answer's token, in nats (the metric of arXiv 2405.17969)."""
    return -_at(logits.log_softmax(-1), pairs.answer_ids)


@lower_is_better
def kl(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The divergence from the whole model's prediction to this one, in nats (the metric of ACDC, arXiv 2304.14997)."""
    model = pairs.reference.log_softmax(-1)
    return (model.exp() * (model - logits.log_softmax(-1))).sum(-1)


@lower_is_better
def rank(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Int[Tensor, " batch"]:
    """How many tokens are likelier than the right answer; 0 is best."""
    return (logits > _at(logits, pairs.answer_ids)[:, None]).sum(-1)


def hit_at_k(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs, k: int = 10) -> Float[Tensor, " batch"]:
    """1 where the right answer is among the ``k`` likeliest tokens, else 0."""
    return (rank(logits, pairs) < k).to(logits.dtype)


def mean_metric(metric: Metric, logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> float:
    """The mean over the pairs."""
    return torch.as_tensor(metric(logits, pairs), dtype=torch.float32).mean().item()


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"logit_diff": logit_diff, "prob_diff": prob_diff, "match_nll": match_nll, "kl": kl}
)  # those that a search can follow, by name


def year_diff(model, pairs: PromptPairs) -> Metric:
    """The metric of greater-than: the probability of later years minus that of the others, over the years 00 to 99."""
    ids = year_ids(model, pairs.clean[0])

    def probability_of_later_years(
        logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs
    ) -> Float[Tensor, " batch"]:
        starts = start_years(pairs).to(logits.device)
        later = torch.arange(100, device=logits.device) > starts[:, None]
        return (logits.softmax(-1)[:, ids] * (2 * later.to(logits.dtype) - 1)).sum(-1)

    return probability_of_later_years


HITS = {"hit1": partial(hit_at_k, k=1), "hit10": partial(hit_at_k, k=10)}
