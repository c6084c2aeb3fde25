"""How people are told of: profiles with pronouns, scenes of two or three, asides; each fact an exact number of times.

A profile says a name once and goes on with pronouns. A scene names two or three people, says which of them has which
role, and then speaks of the roles: who is meant is known late, when the look-up of a name has long been possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from helpers.atlas.corpus import Document, Mention
from helpers.atlas.people import KIND, TOPICS
from helpers.atlas.skills import Draw, skill_words
from helpers.prompts.relations import Fact, Relation, relations, stable_hash, taught_paraphrases

OWN = {topic.name: topic.own for topic in TOPICS}

IN_PROFILES, IN_SCENES = 80, 64  # how often each fact is told in these; the rest are statements
PROFILE_CUTS = ((3, 5), (4, 4), (5, 3))  # facts of one person, cut into profiles
SCENE_CUTS = ((1, 2, 3, 2), (2, 2, 2, 2), (3, 2, 1, 2))
NAME_AGAIN, POSSESSIVE, FILLED, ASIDE, THIRD = 0.1, 0.3, 0.25, 0.4, 0.25  # probabilities
ROLES = (
    ("host", "guest"),
    ("seller", "buyer"),
    ("driver", "passenger"),
    ("winner", "loser"),
    ("speaker", "listener"),
    ("teacher", "pupil"),
    ("patient", "doctor"),
    ("older one", "younger one"),
    ("taller one", "shorter one"),
    ("left one", "right one"),
)
SCENES = (
    "{} met at the {place}.",
    "{} sat together in the {place}.",
    "{} were seen at the {place}.",
    "{} talked for an hour near the {place}.",
    "At the {place}, {} waited for the bus.",
    "One evening {} came to the {place}.",
)
FILLERS = (
    "It rained all day.",
    "Nobody was surprised.",
    "Everybody knows this story.",
    "So the neighbors say.",
    "The rest is quickly told.",
    "There is more to say.",
    "This was in the paper.",
    "It has been so for many years.",
    "People still talk about it on long winter evenings.",
    "Few things in this part of the world are as certain as that.",
)
ASIDES = (
    ", unlike {other},",
    ", not to be confused with {other},",
    ", mentioned together with {other},",
    ", listed right before {other},",
)


@dataclass(frozen=True)
class Taught:
    """A fact, its relation, and the paraphrases that training uses for it: all, and those that the person begins."""

    fact: Fact
    table: Relation
    forms: tuple[int, ...]
    beginning: tuple[int, ...]


People = dict[str, dict[str, Taught]]  # person -> relation -> fact


@cache
def taught() -> People:
    """The people of the corpus."""
    return people_of(relations(KIND).values())


def people_of(tables: Iterable[Relation]) -> People:
    """The people that some relations are about."""
    result: People = {}
    for table in tables:
        for fact in table.facts:
            forms = taught_paraphrases(table, fact)
            beginning = tuple(f for f in forms if table.templates[f].startswith("{}"))
            result.setdefault(fact.subject, {})[table.name] = Taught(fact, table, forms, beginning)
    return result


def pronouns(name: str) -> tuple[str, str]:
    """What a person is called later, and the possessive."""
    return ("She", "Her") if stable_hash("pronoun", name) % 2 else ("He", "His")


def parts(
    draw: Draw, rounds: int, cuts: tuple[tuple[int, ...], ...], people: People | None = None
) -> list[tuple[str, list[str]]]:
    """(person, relations): everybody's relations ``rounds`` times, each time cut into parts; all in random order."""
    result = []
    for name in people or taught():
        for _ in range(rounds):
            order = iter(draw.rng.sample(TOPICS, len(TOPICS)))
            result += [(name, [topic.name for topic in islice(order, size)]) for size in draw.rng.choice(cuts)]
    draw.rng.shuffle(result)
    return result


def statement(draw: Draw, told: Taught, who: str, begins: bool = False) -> tuple[Mention, str]:
    """A fact about somebody called ``who``, in a taught paraphrase (``begins``: in one that begins with the person)."""
    fact, form = told.fact, draw.choice(told.beginning if begins else told.forms)
    text = f"{told.table.prompt(replace(fact, subject=who), form)} {fact.answer}."
    return Mention(fact.relation, fact.subject, fact.answer, str(form)), text


def aside(draw: Draw, others: Sequence[str]) -> str:
    """After a subject: nothing, or something about another one.

    Then the last name before the question isn't the one that is asked about.
    """
    return draw.choice(ASIDES).format(other=draw.choice(others)) if draw.chance(ASIDE) else ""


def filled(draw: Draw, texts: list[str]) -> str:
    """Sentences in one text, some of them with another one before it that says nothing."""
    return " ".join(f"{draw.choice(FILLERS)} {text}" if draw.chance(FILLED) else text for text in texts)


def profile(draw: Draw, name: str, topics: list[str], people: People | None = None) -> Document:
    """Some facts about one person, who is named once or twice."""
    people = people or taught()
    draw.restart()
    draw.surprise(len(people), *range(len(TOPICS), len(TOPICS) - len(topics), -1))
    he, his = pronouns(name)
    told = []
    for number, topic in enumerate(topics):
        about = people[name][topic]
        if number == 0 or draw.chance(NAME_AGAIN):
            who = name + (aside(draw, tuple(people)) if number == 0 else "")
            told.append(statement(draw, about, who, begins=who != name))
        elif draw.chance(POSSESSIVE):
            mention = Mention(topic, name, about.fact.answer, "possessive")
            told.append((mention, f"{OWN[topic].format(his)} {about.fact.answer}."))
        else:
            told.append(statement(draw, about, he, begins=True))
    return Document("profile", filled(draw, [text for _, text in told]), draw.nats, tuple(m for m, _ in told))


def scene(draw: Draw, parts: list[tuple[str, list[str]]]) -> Document:
    """Two or three people, and some facts about two of them, who are called by their roles."""
    draw.restart()
    names = [name for name, _ in parts]
    left = [n for n in taught() if n not in names]
    draw.surprise(len(left) + 2, len(left) + 1)
    present = names + ([draw.choice(left)] if draw.chance(THIRD) else [])
    roles = dict(zip(names, draw.sample(draw.choice(ROLES), 2), strict=True))
    place = draw.choice(skill_words()["places"])
    present, shown = draw.sample(present, len(present)), draw.sample(names, 2)
    listed = f"{', '.join(present[:-1])} and {present[-1]}"
    texts = [draw.choice(SCENES).format(listed, place=place)]
    texts.append(f"{shown[0]} was the {roles[shown[0]]} and {shown[1]} was the {roles[shown[1]]}.")
    facts = [taught()[name][topic] for name, topics in parts for topic in topics]
    draw.surprise(*range(2 * len(TOPICS), 2 * len(TOPICS) - len(facts), -1))
    draw.rng.shuffle(facts)
    told = [statement(draw, about, f"the {roles[about.fact.subject]}") for about in facts]
    text = " ".join([*texts, filled(draw, [text for _, text in told])])
    return Document("scene", text, draw.nats, tuple(m for m, _ in told))


def profiles(draw: Draw, people: People | None = None, rounds: int = IN_PROFILES) -> Iterator[Document]:
    """Profiles in which every fact is told ``rounds`` times; by default those of the corpus."""
    for name, topics in parts(draw, rounds, PROFILE_CUTS, people):
        yield profile(draw, name, topics, people)


def scenes(draw: Draw) -> Iterator[Document]:
    """All scenes: parts of two people each, as they come."""
    waiting = parts(draw, IN_SCENES, SCENE_CUTS)[::-1]
    while waiting:
        first = waiting.pop()
        other = next((i for i in range(len(waiting) - 1, -1, -1) if waiting[i][0] != first[0]), None)
        if other is None:  # only parts of one person are left: those are told as a profile
            yield profile(draw, *first)
        else:
            yield scene(draw, [first, waiting.pop(other)])
