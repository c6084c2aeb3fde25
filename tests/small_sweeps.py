"""Plans that are done in a moment."""

from __future__ import annotations

from dataclasses import replace

from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits.sweep_plan import Plan


def small_plan(*names: str, **changes) -> Plan:
    """Few pairs of some relations, two seeds, the fastest search."""
    asked = [relation(name) for name in names or ("country_capital", "plural")]
    return replace(Plan(["atlas"], asked, ["eap"], seeds=2, pairs=(4, 6)), **changes)


def command(*words: str) -> list[str]:
    """The arguments of the command line for the same."""
    return "sweep --methods eap --pairs 4 --test-pairs 6".split() + list(words)
