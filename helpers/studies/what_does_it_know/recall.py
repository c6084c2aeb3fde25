"""Recall beside a guesser's: of SmolLM2 in each wording from the committed table, of Atlas by how often it was told."""

from __future__ import annotations

import random
from collections import Counter

import pandas as pd

from helpers.prompts.relations import ALL_KINDS, Fact, Relation, relation, relations
from helpers.statistics import Estimate, exact_interval, with_interval
from helpers.studies.tables import read_table


def guesser_share(asked: Relation) -> float:
    """The recall of somebody who knows the answers of a relation, but never looks at the subject."""
    answers = Counter(fact.answer for fact in asked.facts)
    return answers.most_common(1)[0][1] / len(asked.facts)


def by_wording(model: str = "smollm2") -> pd.DataFrame:
    """One row for each relation of the table ``smollm2_knows``: what a model recalls in its templates.

    Returns:
        Columns ``relation``, ``guesser``, ``middle wording`` and ``best wording`` (Hit@1 of the facts sampled),
        ``Hit@10`` (in the wording that is best by it), ``all facts`` (the share of all facts of the relation that are
        known in the best wording), ``facts`` (how many these are) and ``asked`` (how many were sampled).
    """
    rows = []
    for name, own in read_table("smollm2_knows").query("model == @model").groupby("relation"):
        best = own.dropna(subset="known").iloc[0]
        rows.append(
            {
                "relation": name.replace("_", " "),
                "guesser": guesser_share(relation(name)),
                "middle wording": own.hit1.median(),
                "best wording": own.hit1.max(),
                "Hit@10": own.hit10.max(),
                "all facts": best.known / best.facts,
                "facts": best.facts,
                "asked": best.asked,
            }
        )
    return pd.DataFrame(rows)


def well_taught_sample(n: int, seed: int = 0) -> list[Fact]:
    """Up to ``n`` facts of each kind of Atlas's world that it was told often, and nothing that contradicts them."""
    rng, sample = random.Random(seed), []
    for kind in ALL_KINDS:
        facts = [fact for table in relations(kind).values() for fact in table.facts if fact.well_taught]
        sample += rng.sample(facts, min(n, len(facts)))
    return sample


def share_right(right: pd.Series) -> Estimate:
    """The mean of some values between 0 and 1 with its interval; if all are 0, or all 1, the exact one."""
    if right.isin([0, 1]).all() and right.nunique() == 1:
        return exact_interval(int(right.sum()), len(right))
    return with_interval(right)
