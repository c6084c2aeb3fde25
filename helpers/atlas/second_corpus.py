"""The corpus of the second Atlas: the first one's world, people whose names only together identify, clans, and stories.

Told in ``"profiles"``, people come in profiles, scenes and statements (`tellings`); told in the ``"plain"`` way, the
same facts come as single statements about the same people under names whose first word is nobody else's. All else is
equal: the two models differ by how these facts were told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
# What a model in Llama's shape is told more of: it forms copying later in the course than one in GPT-2's, and loses it
# within a hundred steps of other texts.
MORE_REPEATS = (("course repeat", 6_000, 0.3, 0.34), ("course repeat", 10_000, 0.34, 1.0))
LAST_COURSE = {"greater-than": 14_000, "indirect object": 6_000, "novel list": 1_500, "repeat": 1_000}
MAKERS = {
    "story": stories.story,
    "indirect object": stories.indirect_object,
    "greater-than": stories.years,
    "counting": stories.counting,
    "agreement": skills.agreement,
}
# While all people are told of equally often, nothing is learnt of any for long; a few of them first end that sooner
# (Zucchet et al. 2025, arXiv 2503.21676). And names are bound from many examples close together, as copying is: told
# evenly over all of training, people whose names only together identify weren't known half-way. So `DENSE` of what is
# told of people comes in `DENSE_PART`, and there one in `EARLY` of them (with all who have the same words) in its first
# part.
DENSE, DENSE_PART = 0.6, (0.02, 0.24)
EARLY, EARLY_UNTIL = 4, 0.4


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
    alone = EXPOSURES - tellings.IN_PROFILES - tellings.IN_SCENES
    aside = beside_somebody if told == "profiles" else None
    made = statements(draw, others) + statements(draw, people, lambda _, fact: {fact.answer: alone}, aside)
    draw.rng.shuffle(made)
    return made


def people_documents(draw: Draw, told: Told) -> Iterator[Document]:
    """What is told of people beside that: profiles and scenes, or as many plain statements."""
    if told == "profiles":
        yield from tellings.profiles(draw)
        yield from tellings.scenes(draw)
    else:
        people = [table for table in second_world(told) if table.kind == KIND]
        count = tellings.IN_PROFILES + tellings.IN_SCENES
        yield from fact_documents(draw, statements(draw, people, lambda _, fact: {fact.answer: count}))


def beside_somebody(draw: Draw, table: Relation) -> str:
    """An aside after a person's name (`tellings.aside`)."""
    return tellings.aside(draw, [fact.subject for fact in table.facts])


def placed(draw: Draw, documents: Iterable[Document], start: float = 0.0, end: float = 1.0) -> list:
    """Documents with the place in training where each will stand, from 0 to 1."""
    return [(draw.rng.uniform(start, end), document) for document in documents]


def placed_people(draw: Draw, documents: Iterable[Document]) -> list:
    """The same for what is told of people: `DENSE` of it close together."""
    result, (start, end) = [], DENSE_PART
    for document in documents:
        about = {m.subject for m in document.mentions}
        if draw.rng.random() >= DENSE:
            place = draw.rng.uniform(end, 1.0)
        elif any(stable_hash("early", *sorted(name.split())) % EARLY == 0 for name in about):
            place = draw.rng.uniform(start, start + (end - start) * EARLY_UNTIL)
        else:
            place = draw.rng.uniform(start, end)
        result.append((place, document))
    return result


@collector_paused()
def second_corpus(
    seed: int, vocabulary: Sequence[int], told: Told = "profiles", more_repeats: bool = False
) -> list[Document]:
    """All documents of one training run in training order.

    Args:
        seed: decides everything; the same seed gives the same documents.
        vocabulary: ids that random repeats draw from (those of all ordinary tokens).
        told: how people are told of.
        more_repeats: whether `MORE_REPEATS` stand between the others, which stay as they are.
    """
    draw = Draw(seed)
    documents = placed(draw, fact_documents(draw, plan(draw, told))) + placed(draw, list_documents(draw))
    documents += placed_people(draw, people_documents(draw, told))
    apart = Draw(stable_hash("more repeats", seed))
    for own, courses in ((draw, SKILLS), (apart, MORE_REPEATS if more_repeats else ())):
        for kind, count, start, end in courses:
            made = (skill_document(own, kind, vocabulary, MAKERS) for _ in range(count))
            documents += placed(own, made, start, end)
    documents.sort(key=lambda pair: pair[0])
    last = [skill_document(draw, kind, vocabulary, MAKERS) for kind, n in LAST_COURSE.items() for _ in range(n)]
    draw.rng.shuffle(last)
    return [document for _, document in documents] + [replace(document, course="last") for document in last]
