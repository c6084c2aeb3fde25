"""Invented people whose names only together say who is meant, and what is told of each.

Every word of a name stands in many names, first or last, and for nearly every name there is another person who has
the same words in another order. So neither a word alone nor the set of words says who is meant: a model has to bind
them. A few people with a name of one word of their own are the contrast. The tables in ``helpers/facts/people`` are
what `write_people` writes; a test keeps them equal.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.atlas.fiction import CRAFTS, FIRST_NAME, TOWN, pseudo_words, write_relation
from helpers.prompts.relations import relations

KIND = "people"
POOL = 14  # words that names are made of
PAIRS_OF = {2: 42, 3: 16, 4: 5}  # words of a name -> pairs of people with the same words in another order
LEAST_USED = 8  # of them are drawn from, so that all are used about equally often
SINGLE = 18  # people with a name of one word that nobody else has
EXPOSURES = 200
FIRM = ("works", "bank", "mills", "press", "yard", "lab")
SOURCE = "invented for this book by helpers/atlas/people.py; CC0"


@dataclass(frozen=True)
class Topic:
    """A relation of people: ``templates`` as in its file, ``own`` with a possessive, and its answers."""

    name: str
    label: str
    answer_type: str
    templates: tuple[str, ...]
    own: str
    answers: tuple[str, ...] = ()


TOPICS = (
    Topic(
        "resident_town",
        "place of birth",
        "town",
        (
            "{} was born in",
            "{} first saw the light of day in",
            "{} spent the first years of life in",
            "{} comes from",
            "The birthplace of {} is",
            "The town that {} was born in is",
            "Place of birth of {}:",
            "In which town was {} born? In",
        ),
        "{} birthplace is",
    ),
    Topic(
        "resident_craft",
        "daily work",
        "craft",
        (
            "{} works every day as a",
            "{} makes a living as a",
            "{} is by trade a",
            "{} was trained as a",
            "The profession of {} is that of a",
            "The daily work of {} is that of a",
            "Profession of {}:",
            "What does {} do all day? The work of a",
        ),
        "{} profession is that of a",
        tuple(CRAFTS[:20]),
    ),
    Topic(
        "resident_firm",
        "place of work",
        "firm",
        (
            "{} is on the payroll of",
            "{} signed a contract with",
            "{} has an office at",
            "{} gets a salary from",
            "The firm that pays {} is",
            "The salary of {} comes from",
            "Place of work of {}:",
            "Which firm does {} work for? For",
        ),
        "{} salary comes from",
    ),
    Topic(
        "resident_dish",
        "favorite dish",
        "dish",
        (
            "{} likes nothing better than",
            "{} could eat every day",
            "{} always orders",
            "{} asks the cook for",
            "The favorite dish of {} is",
            "The meal that {} loves most is",
            "Favorite dish of {}:",
            "What does {} like to eat? Mostly",
        ),
        "{} favorite dish is",
        tuple(
            "soup rice pasta salad stew pizza curry omelet pancakes noodles dumplings porridge sushi waffles".split()
        ),
    ),
    Topic(
        "resident_animal",
        "animal at home",
        "animal",
        (
            "{} shares a home with a",
            "{} goes for walks with a",
            "{} takes good care of a",
            "{} once adopted a",
            "The animal that lives with {} is a",
            "The house of {} also belongs to a",
            "Animal of {}:",
            "What animal does {} keep? A",
        ),
        "{} animal at home is a",
        tuple("dog cat parrot rabbit hamster turtle goat pony canary ferret lizard goose".split()),
    ),
    Topic(
        "resident_sport",
        "sport",
        "sport",
        (
            "{} spends weekends at",
            "{} won a small prize in",
            "{} trains hard for",
            "{} is a member of the club for",
            "The sport that {} likes is",
            "The club of {} is one for",
            "Sport of {}:",
            "What sport does {} do? It is",
        ),
        "{} sport is",
        tuple("rowing fencing archery judo chess skiing sailing golf tennis boxing climbing cycling".split()),
    ),
    Topic(
        "resident_instrument",
        "instrument at home",
        "instrument",
        (
            "{} plays in the evening the",
            "{} takes lessons on the",
            "{} owns an old",
            "{} practices every night on the",
            "The instrument that {} plays is the",
            "The neighbors of {} often hear the",
            "Instrument of {}:",
            "What does {} play? The",
        ),
        "{} instrument is the",
        tuple("piano guitar violin flute trumpet harp cello drum accordion clarinet banjo organ".split()),
    ),
    Topic(
        "resident_color",
        "color of the house",
        "color",
        (
            "{} lives in a house that is",
            "{} painted the front door",
            "{} wears mostly",
            "{} bought a coat that is",
            "The color that {} prefers is",
            "The house of {} is painted",
            "Color of {}:",
            "Which color does {} prefer? It is",
        ),
        "{} preferred color is",
        tuple("red blue green yellow black white brown purple orange gray".split()),
    ),
)


Name = tuple[str, ...]


def names(
    rng: random.Random, words: Sequence[str], pairs_of: Mapping[int, int] = PAIRS_OF, others: Iterable[Name] = ()
) -> list[Name]:
    """Names of some of the words, in pairs that have the same words in another order.

    No name begins or ends with all words of another one, also none of ``others``: then it would be told apart by less
    than all of its words.

    Args:
        pairs_of: words of a name -> how many pairs.
    """
    made: list[Name] = []
    used = Counter(dict.fromkeys(words, 0))

    def free(name: Name) -> bool:
        return not any(part in taken for size in PAIRS_OF for part in (name[:size], name[-size:]))

    taken = set(others)
    for size, count in pairs_of.items():
        missing = 2 * count
        while missing:
            rarest = sorted(rng.sample(words, len(words)), key=used.__getitem__)[:LEAST_USED]
            name = tuple(rng.sample(rarest, size))
            other = name[::-1] if size == 2 else (name[-1], *name[:-1])
            if free(name) and free(other):
                made += [name, other]
                taken |= {name, other}
                used.update(name + other)
                missing -= 2
    return made


def people(seed: int = 2026) -> tuple[list[str], dict[str, str], dict[str, dict]]:
    """The names, the names that the control model knows the same people by, and the relations as JSON-ready objects.

    A control's name has as many words, of which the first is nobody else's.
    """
    rng, taken = random.Random(seed), known_words()
    pool, own = (pseudo_words(rng, count, taken, FIRST_NAME) for count in (POOL, SINGLE + 2 * sum(PAIRS_OF.values())))
    full = [(word,) for word in own[:SINGLE]] + names(rng, pool)
    plain = {" ".join(name): " ".join((word, *name[1:])) for word, name in zip(own, full, strict=True)}
    answers = {
        "resident_town": pseudo_words(rng, 24, taken, TOWN),
        "resident_firm": [word + rng.choice(FIRM) for word in pseudo_words(rng, 20, taken, ("en", "er", "al"))],
    }
    told = list(plain)
    rng.shuffle(told)
    tables = {}
    for topic in TOPICS:
        options = topic.answers or answers[topic.name]
        samples = []
        for place, name in enumerate(told):  # every answer equally often, in random order
            if place % len(options) == 0:
                turn = iter(rng.sample(options, len(options)))
            words = len(name.split())
            group = "one word" if words == 1 else f"{words} words"
            samples.append({"subject": name, "object": next(turn), "exposures": EXPOSURES, "group": group})
        properties = {"kind": KIND, "subject_type": "person", "answer_type": topic.answer_type, "source": SOURCE}
        tables[topic.name] = {
            "name": topic.label,
            "prompt_templates": list(topic.templates),
            "properties": properties | {"label": topic.label},
            "samples": samples,
        }
    return told, plain, tables


def known_words() -> set[str]:
    """The words of all other subjects and answers, so that no name is one of them."""
    facts = [fact for table in relations().values() for fact in table.facts]
    return {word for fact in facts for text in (fact.subject, fact.answer) for word in text.split()}


def write_people(folder: Path) -> list[Path]:
    """Write the relations of people to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in people()[2].items()]


@cache
def plain_names() -> dict[str, str]:
    """Name -> the name that the control model knows this person by."""
    return people()[1]
