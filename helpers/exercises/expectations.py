"""What a class should find: numbers of a chapter with the range in which a class's own should lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.statistics import Estimate

MIDDLE = (0.05, 0.95)  # of a spread over relations: nine in ten lie inside
RULES = {
    "prompts": "bootstrap",  # 95 % of samples over prompts, facts or edits
    "relations": "relations",  # nine in ten lie inside
    "seeds": "two seeds",
    "range": "whole range",
    "exact": "exact",  # any other number is a mistake
}


def expect(
    what: str, value: float, low: float, high: float, *, rule: str, where: str, unit: str = ""
) -> dict[str, str]:
    """One row of a table of what to expect: a number, and the interval in which a class's number should lie.

    Args:
        what: the quantity, in words.
        value, low, high: as fractions or plain numbers; with ``unit="%"`` they are shown times a hundred.
        rule: a key of `RULES`, how the interval comes about.
        where: the section of the chapter.

    Raises:
        ValueError: for an unknown rule, or an interval that doesn't hold the value.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; choose from {', '.join(RULES)}")
    if not low - 1e-6 <= value <= high + 1e-6:
        raise ValueError(f"{what}: {value} isn't between {low} and {high}")
    shown, lowest, highest = (brief(x, unit) for x in (value, low, high))
    tolerance = "none" if rule == "exact" else f"{lowest} to {highest}".replace(" %", "\N{NO-BREAK SPACE}%")
    return {"what": what, "expect": shown, "tolerance": tolerance, "rule": RULES[rule], "section": where}


def brief(x: float, unit: str = "") -> str:
    """A number with as many digits as a teacher wants to hear."""
    if unit == "%":
        return f"{100 * x:.0f} %"
    whole = abs(x) >= 20 or float(x).is_integer()
    return f"{x:,.0f}{unit}" if whole else f"{x:.2f}{unit}"


def from_estimate(what: str, estimate: Estimate, *, where: str, unit: str = "") -> dict[str, str]:
    """A row from an estimate with its bootstrap interval."""
    return expect(what, float(estimate), estimate.low, estimate.high, rule="prompts", where=where, unit=unit)


def over_relations(what: str, values: Sequence[float], *, where: str, unit: str = "") -> dict[str, str]:
    """A row from one number for each relation: their median, and the range of the middle nine tenths."""
    low, high = np.quantile(np.asarray(values, dtype=float), MIDDLE)
    return expect(what, float(np.median(values)), low, high, rule="relations", where=where, unit=unit)


def over_seeds(what: str, values: Sequence[float], *, where: str, unit: str = "") -> dict[str, str]:
    """A row from one number for each training seed: their mean, and their range."""
    return expect(what, float(np.mean(values)), min(values), max(values), rule="seeds", where=where, unit=unit)


def expectations(*rows: dict[str, str]) -> pd.DataFrame:
    """The table, as a page shows it: one row for each quantity, the quantity as the index."""
    return pd.DataFrame(rows).set_index("what").rename_axis(None)
