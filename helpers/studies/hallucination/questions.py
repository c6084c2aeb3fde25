"""Questions whose way to fail is fixed by the data beforehand, and what a model says to them.

The cause of a wrong answer is mostly guessed. Here it is known before anybody asks: how often training stated the fact,
in which direction and wording, against what other statement. Only the context is added by us.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.atlas.questions import Case, ask, question_rows
from helpers.prompts.relations import Fact, Relation, held_out_paraphrases, relation, stable_hash, taught_paraphrases

CASES = (
    "well taught",
    "unseen wording",
    "true context",
    "false context",
    "in conflict",
    "rarely taught",
    "never taught",
    "other direction",
)
ASKED = ("country_currency", "country_capital", "landmark_country", "company_country", "person_language")
REVERSED = {"novel_author": "novel asked", "author_novel": "author asked"}
RARE = (1, 3, 10)  # exposures


def question_table(model: str = "atlas", n: int = 60, *, names: Sequence[str] = ASKED, seed: int = 0) -> pd.DataFrame:
    """Questions in all cases, each with its answer and how often training stated it.

    Args:
        model: the embedded model whose exposures are counted.
        n: questions in each case, where there are so many.
        names: the relations that well-taught facts come from.

    Returns:
        Columns ``case, relation, subject, wording, context, prompt, answer, says`` (what the context says, or empty),
        ``exposures`` (how often training stated this answer) and ``half`` (of the relation: train or test).
    """
    rng = random.Random(stable_hash("questions", seed))
    by_case: dict[str, list[Case]] = defaultdict(list)
    for case in cases(names, rng):
        by_case[case[0]].append(case)
    chosen = [case for name in CASES for case in _spread(by_case[name], n, rng)]
    return question_rows(chosen, model)


def cases(names: Sequence[str], rng: random.Random) -> Iterator[Case]:
    """Every fact in every case that it can be asked in, in one wording each."""
    for name in names:
        own = relation(name)
        for fact in own.facts:
            taught, unseen = taught_paraphrases(own, fact), held_out_paraphrases(own, fact)
            wording = rng.choice(taught)
            yield "well taught", fact, wording, "", ""
            yield "unseen wording", fact, rng.choice(unseen), "", ""
            other = rng.choice([f for f in own.facts if f.answer != fact.answer])
            for case, about in (("true context", other), ("false context", fact)):
                yield case, fact, wording, f"{own.prompt(about, wording)} {other.answer}.", other.answer
    yield from hometown_cases(rng)
    yield from _of("in conflict", relation("person_craft"), rng)
    for name, group in REVERSED.items():
        yield from _of("other direction", relation(name), rng, group)


def hometown_cases(rng: random.Random) -> Iterator[Case]:
    """Home towns in a taught wording; the case follows from the planned exposures."""
    own = relation("person_hometown")
    for fact in own.facts:
        wording = rng.choice(taught_paraphrases(own, fact))
        if fact.exposures == 0 or fact.exposures in RARE or fact.well_taught:
            case = "rarely taught" if fact.exposures in RARE else "never taught"
            yield "well taught" if fact.well_taught else case, fact, wording, "", ""


def _of(case: str, own: Relation, rng: random.Random, group: str = "") -> Iterator[Case]:
    for fact in own.facts:
        if not group or fact.group == group:
            yield case, fact, rng.choice(taught_paraphrases(own, fact)), "", ""


def _spread(found: list[Case], n: int, rng: random.Random) -> list[Case]:
    """At most ``n`` of a case, its relations in turn."""
    by_relation: dict[str, list[Case]] = defaultdict(list)
    for case in rng.sample(found, len(found)):
        by_relation[case[1].relation].append(case)
    turns = [(i, name, case) for name, own in by_relation.items() for i, case in enumerate(own)]
    return [case for _, _, case in sorted(turns, key=lambda t: t[:2])[:n]]


def ask_facts(
    model,
    facts: Sequence[Fact],
    wordings: Sequence[int] | None = None,
    *,
    name: str = "atlas",
    n: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """What a model says to direct questions about facts, without a context: `ask` for each fact in several wordings.

    Args:
        wordings: the same for all facts; by default, ``n`` drawn for each fact among those that training used for it.
        name: the embedded model whose exposures are counted.
        seed: of the draw.
    """
    rng = random.Random(seed)

    def drawn(fact: Fact) -> Sequence[int]:
        return rng.sample(taught_paraphrases(relation(fact.relation), fact), n) if wordings is None else wordings

    return ask(
        model, question_rows([("asked", fact, wording, "", "") for fact in facts for wording in drawn(fact)], name)
    )
