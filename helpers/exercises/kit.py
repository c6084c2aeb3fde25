"""Exercises: a check says *right*, *not attempted yet*, or what is wrong; it never stops the notebook."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps


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
