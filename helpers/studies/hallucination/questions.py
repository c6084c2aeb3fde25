"""Questions whose way to fail is fixed by the data beforehand, and what Atlas says to them.

The cause of a wrong answer is mostly guessed. Here it is known before anybody asks: how often training stated the fact,
in which direction, and against what other statement.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.atlas.fiction import STATED_BY
from helpers.atlas.questions import Case, ask, question_rows, type_ids
from helpers.models.predict import answer_ids, prompt_ids, token_span
from helpers.prompts.relations import Fact, relation, stable_hash, taught_paraphrases
from helpers.studies.hallucination.contests import Asked

CASES = ("well taught", "in conflict", "rarely taught", "never taught", "other direction")
ASKED = ("country_currency", "country_capital", "landmark_country", "company_country", "person_language")
TOLD = {0: "never taught"} | dict.fromkeys((1, 3, 10), "rarely taught")  # exposures -> case


def question_table(model: str = "atlas2", n: int = 60) -> pd.DataFrame:
    """Questions in all cases, each with its answer and how often training stated it.

    Args:
        model: the embedded model whose exposures are counted.
        n: questions in each case, where there are so many.

    Returns:
        Columns ``case, relation, subject, wording, context, prompt, answer, says`` (the last but two are empty here),
        ``exposures`` (how often training stated this answer) and ``half`` (of the relation: train or test).
    """
    rng = random.Random(stable_hash("questions", 0))
    by_case: dict[str, list[Case]] = defaultdict(list)
    for case in cases(rng):
        by_case[case[0]].append(case)
    chosen = [case for name in CASES for case in _spread(by_case[name], n, rng)]
    return question_rows(chosen, model)


def cases(rng: random.Random) -> Iterator[Case]:
    """Every fact in every case that it can be asked in, in one wording each."""

    def taught(fact: Fact) -> int:
        return rng.choice(taught_paraphrases(relation(fact.relation), fact))

    for own in map(relation, ASKED):
        for fact in own.facts:
            yield "well taught", fact, taught(fact), "", ""
    for fact in relation("person_hometown").facts:
        wording, case = taught(fact), "well taught" if fact.well_taught else TOLD.get(fact.exposures)
        if case:
            yield case, fact, wording, "", ""
    for fact in relation("person_craft").facts:
        yield "in conflict", fact, taught(fact), "", ""
    for name in ("novel_author", "author_novel"):
        for fact in relation(name).facts:
            if STATED_BY.get(fact.group, name) != name:
                yield "other direction", fact, taught(fact), "", ""


def _spread(found: list[Case], n: int, rng: random.Random) -> list[Case]:
    """At most ``n`` of a case, its relations in turn."""
    by_relation: dict[str, list[Case]] = defaultdict(list)
    for case in rng.sample(found, len(found)):
        by_relation[case[1].relation].append(case)
    turns = [(i, name, case) for name, own in by_relation.items() for i, case in enumerate(own)]
    return [case for _, _, case in sorted(turns, key=lambda t: t[:2])[:n]]


def ask_facts(
    model, facts: Sequence[Fact], wordings: Sequence[int] | None = None, *, name: str = "atlas2"
) -> pd.DataFrame:
    """What a model says to direct questions about facts, without a context: `ask` for each fact in several wordings.

    Args:
        wordings: the same for all facts; by default, two drawn for each fact among those that training used for it.
        name: the embedded model whose exposures are counted.
    """
    rng, rows = random.Random(0), []
    for fact in facts:
        drawn = rng.sample(taught_paraphrases(relation(fact.relation), fact), 2) if wordings is None else wordings
        rows += [("asked", fact, wording, "", "") for wording in drawn]
    return ask(model, question_rows(rows, name))


def fact_questions(model, facts: Sequence[Fact], wordings: Sequence[int]) -> list[Asked]:
    """The same facts of one relation as questions to look into (`contests.look`)."""
    own, tokenizer, result = relation(facts[0].relation), model.tokenizer, []
    members = tuple(type_ids(tokenizer, own.name, own.prompt(facts[0])).tolist())
    for fact in facts:
        for wording in wordings:
            prompt = own.prompt(fact, wording)
            span = token_span(tokenizer, prompt, own.place(fact, wording))
            first = answer_ids(tokenizer, prompt, f" {fact.answer}")[0]
            result.append(Asked(fact, wording, prompt, tuple(prompt_ids(tokenizer, prompt)), span, (first,), members))
    return result
