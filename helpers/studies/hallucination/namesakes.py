"""Where invented answers come from: the counts of training, or people who share a part of their name."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pandas as pd

from helpers.atlas.corpus import exposures
from helpers.prompts.relations import Fact, relation

KNOWN = 10  # exposures from which on a namesake's answer may be known


def answer_counts(wrong: pd.DataFrame, model: str = "atlas") -> pd.DataFrame:
    """How often training told each answer of a relation, and how often it is said in wrong answers.

    Args:
        wrong: of `ask`, about one relation.
        model: whose exposures are counted.

    Returns:
        Columns ``told`` and ``said``, a row for each answer of the relation. What is said is one token, so an answer of
        several is never counted there (all home towns are one token in Atlas).

    Raises:
        ValueError: for answers about several relations, or none.
    """
    if wrong.relation.nunique() != 1:
        raise ValueError(f"count the answers of one relation, not of {wrong.relation.nunique()}")
    name = wrong.relation.iloc[0]
    answers = relation(name).answers
    told = exposures(model).query("relation == @name").groupby("answer")["count"].sum()
    said = wrong.said.str.strip().value_counts()
    return pd.DataFrame({"told": told.reindex(answers).fillna(0), "said": said.reindex(answers).fillna(0)})


def namesake_answers(facts: Sequence[Fact], subject: str, parts: Sequence[int]) -> set[str]:
    """The answers of all others, told at least `KNOWN` times, who have a part of their name in common with a subject.

    Args:
        parts: which parts are compared, each with any of the same: 0 is the first name, 1 the last.

    Raises:
        ValueError: for a name that has no such part.
    """

    def name(of: str) -> set[str]:
        words = of.split()
        if not all(0 <= i < len(words) for i in parts):
            raise ValueError(f"{of!r} has {len(words)} parts, so none of the numbers {list(parts)} may lie beyond")
        return {words[i] for i in parts}

    own = name(subject)
    known = [f for f in facts if f.subject != subject and (f.exposures or 0) >= KNOWN]
    return {f.answer for f in known if own & name(f.subject)}


def namesake_hits(wrong: pd.DataFrame, facts: Sequence[Fact], parts: Sequence[int], *, seed: int = 0) -> pd.DataFrame:
    """Whether each wrong answer is that of a namesake, beside the same answers exchanged among the questions.

    Args:
        wrong: of `ask`.
        facts: of the relation that is asked.
        parts: as in `namesake_answers`.
        seed: of the exchange, which keeps how often each answer is said.

    Returns:
        Boolean columns ``own, exchanged``, a row for each question.
    """
    said = wrong.said.str.strip().tolist()
    exchanged = random.Random(seed).sample(said, len(said))
    theirs = [namesake_answers(facts, subject, parts) for subject in wrong.subject]
    columns = {
        name: [answer in known for answer, known in zip(answers, theirs, strict=True)]
        for name, answers in (("own", said), ("exchanged", exchanged))
    }
    return pd.DataFrame(columns, index=wrong.index)
