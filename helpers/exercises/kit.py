"""Exercises: a check says *right*, *not attempted yet*, or what is wrong; it never stops the notebook."""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import numpy as np
import torch
from torch import Tensor


class Miss(Exception):
    """Raised inside a check when an attempt is wrong; the message says why."""


class NotAttempted(Exception):
    """Raised inside a check when there is nothing to judge yet."""


@dataclass(frozen=True)
class Verdict:
    """What a check says; true if the attempt is right."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        kind = "right" if self.passed else "open"
        return f'<p class="kc-verdict kc-{kind}">{html.escape(self.message)}</p>'


def check(function: Callable[..., None]) -> Callable[..., Verdict]:
    """Make a function that raises `Miss` or `NotAttempted` into a check that returns a `Verdict`."""

    @wraps(function)
    def judged(*args, **kwargs) -> Verdict:
        try:
            function(*args, **kwargs)
        except NotAttempted:
            return Verdict(False, "Not attempted yet.")
        except Miss as miss:
            return Verdict(False, f"Not yet: {miss}")
        return Verdict(True, "Right.")

    return judged


def attempted(value: object) -> object:
    """``value``, unless it is ``None``, which stands for an exercise that wasn't begun.

    Raises:
        NotAttempted: for ``None``.
    """
    if value is None:
        raise NotAttempted
    return value


def expect(condition: bool, why: str) -> None:
    """Say why an attempt is wrong.

    Raises:
        Miss: with ``why``, unless the condition holds.
    """
    if not condition:
        raise Miss(why)


def number(given: object, wanted: str = "return one number.") -> float:
    """An attempt that should be one number, such as a tensor of one element, as a float."""
    given = given.item() if isinstance(given, Tensor) and given.numel() == 1 else given
    expect(isinstance(given, int | float), wanted)
    return float(given)


def two_ends(given: object) -> np.ndarray:
    """An attempt that should be an interval, as an array of its lower and its upper end."""
    given = np.asarray(attempted(given), dtype=float)
    expect(given.shape == (2,), "return two numbers, the lower and the upper end.")
    return given


def mean_interval(values: Sequence[float], seed: int, draws: int) -> np.ndarray:
    """The 95 % interval of a mean: what drawing the values again gives."""
    rng, values = random.Random(seed), np.asarray(values, float)
    means = [values[[rng.randrange(len(values)) for _ in values]].mean() for _ in range(draws)]
    return np.quantile(means, [0.025, 0.975])


@dataclass(frozen=True)
class Compared:
    """An attempt, a number or a tensor, that is compared with the right answer and with what mistakes would give."""

    given: object
    right: object
    atol: float = 1e-6
    rtol: float = 0.0

    def near(self, other: object) -> bool:
        """Whether the attempt is this, within ``atol + rtol * |other|`` everywhere."""
        both = (np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for v in (self.given, other))
        given, other = (torch.as_tensor(value, dtype=torch.float64) for value in both)
        return torch.allclose(given, other, rtol=self.rtol, atol=float(self.atol))

    def isnt(self, mistake: object, why: str) -> None:
        """Say why an attempt is wrong that is what a mistake gives, unless that is right as well."""
        expect(self.near(self.right) or not self.near(mistake), why)

    def is_right(self, why: str) -> None:
        """Say why an attempt is wrong that isn't the right answer."""
        expect(self.near(self.right), why)
