"""The corpus of the second Atlas: the first one's world, people whose names only together identify, clans, and stories.

Told in ``"profiles"``, people come in profiles, scenes and statements (`tellings`); told in the ``"plain"`` way, the
same facts come as single statements about the same people under names whose first word is nobody else's. All else is
equal: the two models differ by how these facts were told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from helpers.atlas import skills, stories, tellings
from helpers.atlas.clans import compositions
from helpers.atlas.corpus import (
    Document,
    Plan,
    collector_paused,
    fact_documents,
    list_documents,
    skill_document,
    statements,
)
from helpers.atlas.people import EXPOSURES, KIND, plain_names
from helpers.atlas.skills import Draw
from helpers.prompts.relations import SECOND_KINDS, Relation, relations, stable_hash

Told = Literal["profiles", "plain"]
# Kind, how many documents, and the part of training in which they stand. Copying forms suddenly, from many examples
# close together; a course of them in the first tenth of training left no trace, one after a quarter forms it at once.
SKILLS = (
    ("story", 9_000, 0.0, 0.7),
    ("indirect object", 16_000, 0.4, 1.0),
    ("greater-than", 26_000, 0.0, 1.0),
    ("counting", 5_000, 0.0, 1.0),
    ("agreement", 10_000, 0.0, 1.0),
    ("novel list", 6_000, 0.0, 1.0),
    ("novel list", 4_000, 0.28, 0.32),
    ("repeat", 3_000, 0.0, 1.0),
    ("course repeat", 13_000, 0.28, 0.32),
)
LAST_COURSE = {"greater-than": 14_000, "indirect object": 6_000, "novel list": 1_500, "repeat": 1_000}
MAKERS = {
    "story": stories.story,
    "indirect object": stories.indirect_object,
    "greater-than": stories.years,
    "counting": stories.counting,
    "agreement": skills.agreement,
}
# While all people are told of equally often, nothing is learnt of any for long; a few of them first end that sooner
# (Zucchet et al. 2025, arXiv 2503.21676): one in `EARLY` has half of its documents in the first part.
EARLY, EARLY_SHARE, EARLY_UNTIL = 4, 0.5, 0.15


def second_world(told: Told) -> list[Relation]:
    """All relations of the corpus; told plainly, people have other names."""
    invented = list(relations(*SECOND_KINDS).values())
    if told == "plain":
        names = plain_names()
        invented = [
            replace(t, facts=tuple(replace(f, subject=names.get(f.subject, f.subject)) for f in t.facts))
            for t in invented
        ]
    return [*relations().values(), *invented, *compositions().values()]


def plan(draw: Draw, told: Told) -> Plan:
    """All statements that stand alone or with those of other subjects."""
    people, others = [], []
    for table in second_world(told):
        (people if table.kind == KIND else others).append(table)
    made = statements(draw, others)
    if told == "plain":
        made += statements(draw, people)
    else:
        alone = EXPOSURES - tellings.IN_PROFILES - tellings.IN_SCENES
        made += statements(draw, people, lambda _, fact: {fact.answer: alone}, beside_somebody)
    draw.rng.shuffle(made)
    return made


def beside_somebody(draw: Draw, table: Relation) -> str:
    """An aside after a person's name (`tellings.aside`)."""
    return tellings.aside(draw, [fact.subject for fact in table.facts])


def placed(draw: Draw, documents: Iterator[Document], start: float = 0.0, end: float = 1.0) -> list:
    """Documents with the place in training where each will stand, from 0 to 1."""
    result = []
    for document in documents:
        place = draw.rng.uniform(start, end)
        about = {m.subject for m in document.mentions}
        if document.kind in ("profile", "scene"):
            early = any(stable_hash("early", name) % EARLY == 0 for name in about)
            if early and draw.rng.random() < EARLY_SHARE:
                place *= EARLY_UNTIL
            elif not early:
                place = EARLY_UNTIL + place * (1 - EARLY_UNTIL)
        result.append((place, document))
    return result


@collector_paused()
def second_corpus(seed: int, vocabulary: Sequence[int], told: Told = "profiles") -> list[Document]:
    """All documents of one training run in training order.

    Args:
        seed: decides everything; the same seed gives the same documents.
        vocabulary: ids that random repeats draw from (those of all ordinary tokens).
        told: how people are told of.
    """
    draw = Draw(seed)
    documents = placed(draw, fact_documents(draw, plan(draw, told))) + placed(draw, list_documents(draw))
    if told == "profiles":
        documents += placed(draw, tellings.profiles(draw)) + placed(draw, tellings.scenes(draw))
    for kind, count, start, end in SKILLS:
        made = (skill_document(draw, kind, vocabulary, MAKERS) for _ in range(count))
        documents += placed(draw, made, start, end)
    documents.sort(key=lambda pair: pair[0])
    last = [skill_document(draw, kind, vocabulary, MAKERS) for kind, n in LAST_COURSE.items() for _ in range(n)]
    draw.rng.shuffle(last)
    return [document for _, document in documents] + [replace(document, course="last") for document in last]
