"""Whose answer is it? Wrong answers about people, compared with what is true of people who share words of the name.

The control exchanges the answers among the questions: each is then said as often as before, but of somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import permutations

import pandas as pd

from helpers.atlas.people import TOPICS
from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids
from helpers.prompts.relations import Fact, relation

KNOWN = 10  # exposures from which on a namesake's answer may be known
GROUP = "3 words"  # names of so many words have orders that nobody bears


def namesake_hits(wrong: pd.DataFrame, facts: Sequence[Fact], parts: Sequence[int]) -> pd.DataFrame:
    """Whether each wrong answer is that of a namesake, and whether it is with the answers exchanged.

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


def new_orders() -> dict[str, tuple[str, ...]]:
    """Names that nobody bears: the words of known people in other orders, each with the people who have these words."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for fact in relation(TOPICS[0].name).facts:
        if fact.group == GROUP:
            owners.setdefault(tuple(sorted(fact.subject.split())), []).append(fact.subject)
    names = {" ".join(order): tuple(people) for words, people in owners.items() for order in permutations(words)}
    return {name: people for name, people in names.items() if name not in people}


def strangers(model) -> pd.DataFrame:
    """What a model says of people who don't exist, whose names are `new_orders`: all topics, in their first template.

    Returns:
        ``relation, subject, said`` and, as in `namesake_hits`, ``own, exchanged``: is it true of somebody with the
        same words?
    """
    tables, orders = [], new_orders()
    for topic in TOPICS:
        table = relation(topic.name)
        answers = {fact.subject: fact.answer for fact in table.facts}
        ids = [prompt_ids(model.tokenizer, table.prompt(Fact(table.name, name, "?"))) for name in orders]
        likeliest = logits_after(read_network(model), ids)[:, 0].argmax(-1).tolist()
        said = [model.tokenizer.decode([token]).strip() for token in likeliest]
        drawn = random.Random(0).sample(said, len(said))
        for name, own, other in zip(orders, said, drawn, strict=True):
            true = [answers[person] for person in orders[name]]
            hits = (any(answer.startswith(word) for answer in true) for word in (own, other))
            tables.append((table.name, name, own, *hits))
    return pd.DataFrame(tables, columns=["relation", "subject", "said", "own", "exchanged"])
