"""A small closed world for questions of two steps: clans, each of which has one of every relation to another clan.

A model learns to take two steps in its head only if each fact is taught as a first and as a second step of many
compositions (Wang et al. 2024, arXiv 2405.15071): with sixteen relations there are sixteen times as many compositions
as facts. A tenth of the compositions is held out, and some facts are stated alone, never as a step. The tables in
``helpers/facts/clans`` are what `write_clans` writes; a test keeps them equal.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from helpers.atlas.fiction import pseudo_words, write_relation
from helpers.atlas.people import known_words
from helpers.prompts.relations import CIRCLE, Fact, Relation, relations, stable_hash

KIND = "clans"
PREFIX = {KIND: "clan", CIRCLE: "circle"}  # of a relation's name, by its kind
CLANS = 30
NOUNS = (
    *("ally", "rival", "neighbor", "patron", "guardian", "debtor", "teacher", "guest"),
    *("envoy", "heir", "founder", "twin", "creditor", "mentor", "follower", "messenger"),
)
STATED, COMPOSED = 60, 10  # how often training states a fact, and a composition
HELD_OUT, APART = 10, 20  # one composition in so many is held out, one fact in so many is never a step
ENDINGS = ("ar", "ok", "une", "ith", "esh", "oor")
SOURCE = "invented for this book by helpers/atlas/clans.py; CC0"
# From left to right, one step after the other. Told the other way round ("the rival of the ally of"), trial models of
# this size learnt what was taught, and answered few of the compositions that were held out.
ONE_STEP = (
    "{{}}'s {noun} is",
    "{{}} has as its {noun}",
    "{{}} calls its {noun} by the name of",
    "{{}}'s {noun} bears the name",
    "Asked for {{}}'s {noun}, people speak of",
    "Of {{}} the {noun} is",
)
TWO_STEPS = (
    "{{}}'s {first}'s {second} is",
    "{{}}'s {first} has as its {second}",
    "{{}}'s {first} calls its {second} by the name of",
    "{{}}'s {first}'s {second} bears the name",
    "Asked for {{}}'s {first}'s {second}, people speak of",
    "Of {{}}'s {first} the {second} is",
)


def clans(seed: int = 2027) -> dict[str, dict]:
    """The relations of one step as JSON-ready objects."""
    rng = random.Random(seed)
    names = pseudo_words(rng, CLANS, known_words(), ENDINGS)
    return closed_world(rng, KIND, names, NOUNS, STATED, SOURCE)


def closed_world(
    rng: random.Random, kind: str, names: Sequence[str], nouns: Sequence[str], stated: int, source: str
) -> dict[str, dict]:
    """A relation for each noun, in which every name has another one; some facts are never to be a step."""
    tables = {}
    for noun in nouns:
        samples = []
        for name in names:
            apart = stable_hash(KIND, noun, name) % APART == 0
            other = rng.choice([n for n in names if n != name])
            group = "never a step" if apart else "a step"
            samples.append({"subject": name, "object": other, "exposures": stated, "group": group})
        properties = {"kind": kind, "subject_type": "clan", "answer_type": "clan", "source": source, "label": noun}
        templates = [template.format(noun=noun) for template in ONE_STEP]
        tables[f"{PREFIX[kind]}_{noun}"] = {
            "name": f"{noun} of a clan",
            "prompt_templates": [template[:1].upper() + template[1:] for template in templates],
            "properties": properties,
            "samples": samples,
        }
    return tables


def write_clans(folder: Path) -> list[Path]:
    """Write the relations of clans to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in clans().items()]


@cache
def compositions(kind: str = KIND, stated: int = COMPOSED) -> dict[str, Relation]:
    """All relations of two steps: facts in group ``"taught"``, ``"held out"``, or ``"unseen step"``.

    The last are compositions one of whose facts was stated alone and never as a step.

    Args:
        stated: how often training states a composition that is taught.
    """
    tables = relations(kind)
    answers = {(table.name, fact.subject): fact for table in tables.values() for fact in table.facts}
    result = {}
    for first in tables.values():
        for second in tables.values():
            name = f"{first.name}_{second.name}"
            facts = []
            for one in first.facts:
                two = answers[second.name, one.answer]
                seen = one.group == two.group == "a step"
                taught = stable_hash(name, one.subject) % HELD_OUT != 0
                group = ("taught" if taught else "held out") if seen else "unseen step"
                facts.append(Fact(name, one.subject, two.answer, stated * (group == "taught"), group=group))
            nouns = {"first": first.properties["label"], "second": second.properties["label"]}
            templates = tuple(template.format(**nouns) for template in TWO_STEPS)
            title = "{second} of the {first} of a clan".format(**nouns)
            hops = {"hops": [first.name, second.name]}
            result[name] = Relation(name, title, kind, templates, tuple(facts), hops, capitals=True)
    return result
