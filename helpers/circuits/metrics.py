"""How well a run answers: functions of the logits at the answer position and of the pairs, which way better included.

A `Metric` takes logits ``[batch d_vocab]`` and the `PromptPairs` they belong to, and gives one value for each pair.
Searches turn the sign where less is better, so an edge's score is positive if it helps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import BeforeValidator
from torch import Tensor

from helpers.prompts.pairs import PromptPairs


@dataclass(frozen=True, eq=False)
class Metric:
    """A function of logits and pairs that knows which way is better.

    ``sign`` is 1 if more is better, -1 if less is, None if nobody said; then it measures, and no search takes it.
    ``against_model``: it compares with the whole model, whose logits it takes as a third argument.
    ``of_answers``: what it is of the right and the wrong answer's logits, if it needs no others; searches then don't
    compute those of the whole vocabulary.
    """

    function: Callable[..., Tensor]
    sign: int | None = None
    against_model: bool = False
    of_answers: Callable[[Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        named = self.function.func if isinstance(self.function, partial) else self.function
        vars(self).update(__name__=getattr(named, "__name__", type(named).__name__), __doc__=named.__doc__)

    def __call__(
        self, logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs, *more: object, **options: object
    ) -> Float[Tensor, " batch"]:
        """One value for each pair; what the function takes besides comes behind.

        Raises:
            ValueError: if the function gives something else than one finite number for each pair, or the whole
                model's logits are needed and missing.
        """
        name, count = self.__name__, len(pairs)
        if self.against_model and not more:
            raise ValueError(
                f"{name} compares with the whole model: give it pairs.clean_logits(model) behind the pairs"
            )
        if len(logits) != count:
            raise ValueError(f"{name} was given {len(logits)} rows of logits for {count} pairs")
        values = self.function(logits, pairs, *more, **options)
        if not isinstance(values, Tensor) or values.shape != (count,):
            found = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"{name} has to give a tensor with one value for each of {count} pairs, not {found}")
        return self.finite(values)

    def finite(self, values: Float[Tensor, "*trial batch"]) -> Float[Tensor, "*trial batch"]:
        """The values, if all are finite numbers; a ValueError names the first pair that has none."""
        if not values.isfinite().all():
            raise ValueError(f"{self.__name__} isn't finite for pair {int((~values.isfinite()).nonzero()[0, -1])}")
        return values

    def beside(self, whole: Float[Tensor, "batch d_vocab"]) -> Metric:
        """The metric of logits and pairs alone, the whole model's logits being given."""
        if not self.against_model:
            return self
        return replace(self, function=lambda logits, pairs: self.function(logits, pairs, whole), against_model=False)


def as_metric(metric: Callable) -> Metric:
    """A function as a metric: one with fixed arguments (`functools.partial`) or wrapped keeps its direction."""
    if isinstance(metric, Metric):
        return metric
    if not callable(metric):
        raise ValueError(f"has to be a metric such as logit_diff or kl, not {metric!r}")
    if isinstance(metric, partial):
        inner = as_metric(metric.func)
        return replace(inner, function=partial(inner.function, *metric.args, **metric.keywords), of_answers=None)
    return Metric(metric, as_metric(metric.__wrapped__).sign if hasattr(metric, "__wrapped__") else None)


def _directed(metric: Callable) -> Metric:
    found = as_metric(metric)
    if found.sign is None:
        raise ValueError("doesn't say which way is better: wrap it in higher_is_better or lower_is_better")
    return found


AnyMetric = Annotated[Metric, BeforeValidator(as_metric)]  # what `checked` functions take to measure by
DirectedMetric = Annotated[Metric, BeforeValidator(_directed)]  # and to search by


def lower_is_better(metric: Callable) -> Metric:
    """The same metric, of which less is better; the one that was given stays as it is."""
    return replace(as_metric(metric), sign=-1)


def higher_is_better(metric: Callable) -> Metric:
    """The same metric, of which more is better; the one that was given stays as it is."""
    return replace(as_metric(metric), sign=1)


def _at(logits: Float[Tensor, "batch d_vocab"], ids: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    return logits.gather(-1, ids.to(logits.device)[:, None])[:, 0]


@higher_is_better
def logit_diff(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The right answer's logit minus the wrong one's."""
    return _at(logits, pairs.answer_ids) - _at(logits, pairs.wrong_ids)


logit_diff = replace(logit_diff, of_answers=torch.sub)


@higher_is_better
def prob_diff(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """The right answer's probability minus the wrong one's."""
    return logit_diff.function(logits.softmax(-1), pairs)


@lower_is_better
def match_nll(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """Minus the log-probability of the right answer's token, in nats (the metric of arXiv 2405.17969)."""
    return -_at(logits.log_softmax(-1), pairs.answer_ids)


@partial(Metric, sign=-1, against_model=True)
def kl(
    logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs, whole: Float[Tensor, "batch d_vocab"]
) -> Float[Tensor, " batch"]:
    """The divergence from the whole model's prediction to this one, in nats (the metric of ACDC, arXiv 2304.14997)."""
    model = whole.log_softmax(-1)
    return (model.exp() * (model - logits.log_softmax(-1))).sum(-1)


@lower_is_better
def rank(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs) -> Int[Tensor, " batch"]:
    """The right answer's place among all tokens; 1 is the likeliest."""
    return (logits > _at(logits, pairs.answer_ids)[:, None]).sum(-1) + 1


@higher_is_better
def hit_at_k(logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs, k: int = 10) -> Float[Tensor, " batch"]:
    """1 where the right answer is among the ``k`` likeliest tokens, else 0."""
    return (rank.function(logits, pairs) <= k).to(logits.dtype)


HITS = {name: as_metric(partial(hit_at_k, k=k)) for name, k in (("hit1", 1), ("hit10", 10))}
