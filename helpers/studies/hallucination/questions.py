"""Questions whose way to fail is fixed by the data beforehand, and what a model says to them.

The cause of a wrong answer is mostly guessed. Here it is known before anybody asks: how often training stated the fact,
in which direction and wording, against what other statement. Only the context is added by us.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.atlas.fiction import STATED_BY
from helpers.atlas.questions import Case, ask, question_rows
from helpers.prompts.relations import Fact, held_out_paraphrases, relation, stable_hash, taught_paraphrases

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
TOLD = {0: "never taught"} | dict.fromkeys((1, 3, 10), "rarely taught")  # exposures -> case
KNOWN = 10  # exposures from which on a namesake's answer may be known


def question_table(model: str = "atlas", n: int = 60) -> pd.DataFrame:
    """Questions in all cases, each with its answer and how often training stated it.

    Args:
        model: the embedded model whose exposures are counted.
        n: questions in each case, where there are so many.

    Returns:
        Columns ``case, relation, subject, wording, context, prompt, answer, says`` (what the context says, or empty),
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
            wording = taught(fact)
            yield "well taught", fact, wording, "", ""
            yield "unseen wording", fact, rng.choice(held_out_paraphrases(own, fact)), "", ""
            other = rng.choice([f for f in own.facts if f.answer != fact.answer])
            for case, about in (("true context", other), ("false context", fact)):
                yield case, fact, wording, f"{own.prompt(about, wording)} {other.answer}.", other.answer
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
    model, facts: Sequence[Fact], wordings: Sequence[int] | None = None, *, name: str = "atlas"
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


def namesake_hits(wrong: pd.DataFrame, facts: Sequence[Fact], parts: Sequence[int]) -> pd.DataFrame:
    """Whether each wrong answer is that of a namesake, beside the same answers exchanged among the questions.

    A namesake is another person who has a part of the name in common and was told at least `KNOWN` times.

    Args:
        wrong: of `ask`.
        facts: of the relation that is asked.
        parts: which parts are compared, each with any of the same: 0 is the first name, 1 the last.

    Returns:
        Boolean columns ``own, exchanged``, a row for each question.
    """

    def name(subject: str) -> set[str]:
        words = subject.split()
        return {words[i] for i in parts}

    known = [(f.subject, name(f.subject), f.answer) for f in facts if (f.exposures or 0) >= KNOWN]
    said = wrong.said.str.strip().tolist()
    rows = []
    for subject, own, other in zip(wrong.subject, said, random.Random(0).sample(said, len(said)), strict=True):
        theirs = {answer for person, words, answer in known if person != subject and words & name(subject)}
        rows.append((own in theirs, other in theirs))
    return pd.DataFrame(rows, columns=["own", "exchanged"], index=wrong.index)
