"""Sweeps that are done in a moment."""

from __future__ import annotations

from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits.jobs import Job, plan


def small_plan(*names: str, **changes) -> tuple[list[Job], list[dict]]:
    """Few pairs of some relations, two seeds, the fastest search."""
    asked = [relation(name) for name in names or ("country_capital", "plural")]
    options = {"models": ["atlas"], "methods": ["eap"], "sizes": {"share": [0.03]}, "seeds": 2, "pairs": (4, 6)}
    return plan(relations=asked, **options | changes)


def command(*words: str) -> list[str]:
    """The arguments of the command line for the same."""
    return "sweep --methods eap --pairs 4 --test-pairs 6".split() + list(words)
