"""Numbers with their spread: bootstrap intervals, and the area under a curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Shaped
from scipy.stats import binomtest, rankdata
from torch import Tensor

from helpers.checks import Amount, Seed, Whole, checked

SAMPLES = 1000


class Estimate(float):
    """A number with the 95 % bootstrap interval (over prompt pairs) that it comes with: ``low``, ``high``."""

    low: float
    high: float

    def __new__(cls, value: float, low: float, high: float) -> Estimate:
        """A float that carries its interval."""
        self = super().__new__(cls, value)
        self.low, self.high = low, high
        return self

    def __getnewargs__(self) -> tuple[float, float, float]:
        """What copying needs to make it anew."""
        return self.row()

    def __repr__(self) -> str:
        return f"{float(self):.3f} [{self.low:.3f}, {self.high:.3f}]"

    def row(self) -> tuple[float, float, float]:
        """The number, its lower and its upper end, for the columns ``value, low, high`` of a table."""
        return float(self), self.low, self.high

    def brief(self) -> str:
        """The number and its interval in two decimals, for a table: ``0.58 [0.49, 0.67]``."""
        return f"{float(self):.2f} [{self.low:.2f}, {self.high:.2f}]"


@checked
def bootstrap(statistic: Callable[..., Tensor], *values: Shaped[Tensor, " batch"], seed: Seed = 0) -> Estimate:
    """A statistic of paired samples with its percentile interval; nan for samples without any value.

    `scipy.stats.bootstrap` gives the same kind of interval from other draws; the committed tables hold those of this
    generator, which draws the same resamples for all statistics of samples of one size.

    Args:
        statistic: takes samples ``[*resample batch]`` and gives ``[*resample]``.

    Raises:
        ValueError: for samples of different lengths, or that hold something else than finite numbers; for a statistic
            that doesn't give a number for each resample.
    """
    values = tuple(map(_sample, values))
    if len({len(v) for v in values}) != 1:
        raise ValueError(f"paired samples have one length, and there is at least one; given are {[*map(len, values)]}")
    if not len(values[0]):
        return Estimate(*(float("nan"),) * 3)
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(values[0]), (SAMPLES, len(values[0])), generator=generator)
    resampled = statistic(*(v[index] for v in values))
    if getattr(resampled, "shape", None) != (SAMPLES,):
        raise ValueError("the statistic has to give one number for each resample: take means over the last axis only")
    low, high = resampled.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(statistic(*values).item(), low, high)


def _sample(values: Tensor | Iterable[float]) -> Float[Tensor, " batch"]:
    """Numbers in double precision, on the processor."""
    try:
        if isinstance(values, (Mapping, pd.DataFrame)):
            raise TypeError("names would be taken for numbers")
        sample = values if isinstance(values, Tensor) else torch.tensor([*values], dtype=torch.float64)
        if sample.ndim == 1 and sample.isfinite().all():
            return sample.double().cpu()
        why = f"a tensor of shape {tuple(sample.shape)}" if sample.ndim != 1 else "one with nan or an infinite number"
    except (TypeError, ValueError, RuntimeError):
        why = f"{values!r:.80}"
    raise ValueError(f"a sample is a row of finite numbers, not {why}")


@checked
def exact_interval(hits: Whole, n: Amount) -> Estimate:
    """A share of independent trials with its exact 95 % interval (Clopper and Pearson 1934); nan for a share of none.

    A bootstrap interval of a share that is 0 or 1 has no width, as if nothing else were possible; this one has.

    Raises:
        ValueError: unless ``hits`` is between 0 and ``n``.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be between 0 and {n}, not {hits}")
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    interval = binomtest(hits, n).proportion_ci(0.95, method="exact")
    return Estimate(hits / n, float(interval.low), float(interval.high))


def with_interval(values: Float[Tensor, " value"] | Iterable[float | int]) -> Estimate:
    """The mean of values with the percentile interval that comes from drawing the values again."""
    return bootstrap(lambda v: v.mean(-1), _sample(values))


def judge(predicted: Sequence[float], measured: Sequence[float]) -> dict[str, Estimate]:
    """How well a prediction names the winners: its accuracy and its area under the ROC curve, with intervals.

    Args:
        predicted: larger for the first continuation; positive where it should win.
        measured: positive where it did.

    Returns:
        ``accuracy`` and ``AUC``, which is nan where one side won all conflicts: then there is no order to predict.

    Raises:
        ValueError: unless there is a finite number for each conflict on both sides.
    """
    if len(_sample(predicted)) != len(_sample(measured)):
        raise ValueError(f"{len(predicted)} conflicts are predicted, and {len(measured)} measured")
    guess, truth = torch.tensor(list(predicted)), torch.tensor(list(measured)) > 0
    accuracy = bootstrap(lambda right: right.mean(-1), ((guess > 0) == truth).float())
    one_sided = truth.all() or not truth.any()
    area = Estimate(math.nan, math.nan, math.nan) if one_sided else bootstrap(roc_area, guess, truth.float())
    return {"accuracy": accuracy, "AUC": area}


def roc_area(guess: Float[Tensor, "*resample batch"], truth: Float[Tensor, "*resample batch"]) -> Tensor:
    """The area under the ROC curve, by ranks; 0.5 where a resample has one winner only.

    It equals scikit-learn's ``roc_auc_score``, which takes one resample at a time and a second for all.
    """
    ranks = torch.from_numpy(rankdata(guess.numpy(), axis=-1))
    ones = truth.sum(-1)
    zeros = truth.shape[-1] - ones
    area = ((ranks * truth).sum(-1) - ones * (ones + 1) / 2) / (ones * zeros)
    return torch.where(ones * zeros > 0, area, torch.tensor(0.5, dtype=area.dtype))
