"""A circle of twelve clans, told so that a model learns to take two steps in its head: the corpus of `atlas2-circle`.

Told together with their compositions evenly from the first to the last step, as `clans` are, such facts stay on a
plateau (Zucchet et al. 2025, arXiv 2503.21676): no trial of this kind left it, while facts told alone did. Told alone
until they are known, and then together with their compositions, a statement of a fact for each of a composition, they
are learnt, and so are compositions that training holds out. In one trial with four compositions for each fact, at the
full learning rate, the facts were forgotten first; whether by the ratio or by the rate wasn't tried. The tables in
``helpers/facts/circle`` are what `write_circle` writes; a test keeps them equal.
"""

from __future__ import annotations

import random
from pathlib import Path

from helpers.atlas.clans import NOUNS, clans, closed_world, compositions
from helpers.atlas.corpus import Document, collector_paused, fact_documents, statements
from helpers.atlas.fiction import write_relation
from helpers.atlas.skills import Draw
from helpers.prompts.relations import CIRCLE as KIND
from helpers.prompts.relations import Relation, relations

NAMES, RELATIONS = 12, 12
ALONE, BESIDE, COMPOSED = 440, 400, 40  # how often a fact is stated before its compositions, and among them; and these
SOURCE = "invented for this book by helpers/atlas/circle.py; CC0"


def circle(seed: int = 2029) -> dict[str, dict]:
    """The relations of one step as JSON-ready objects: some of the clans, among themselves."""
    (samples, *_) = (table["samples"] for table in clans().values())
    names = [sample["subject"] for sample in samples[:NAMES]]
    return closed_world(random.Random(seed), KIND, names, NOUNS[:RELATIONS], ALONE + BESIDE, SOURCE)


def write_circle(folder: Path) -> list[Path]:
    """Write the relations to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in circle().items()]


def circle_world() -> list[Relation]:
    """The relations of one step and of two."""
    return [*relations(KIND).values(), *compositions(KIND, COMPOSED).values()]


@collector_paused()
def circle_corpus(seed: int) -> list[Document]:
    """All documents of one training run in training order: facts alone, then facts and compositions."""
    draw, facts = Draw(seed), list(relations(KIND).values())
    alone = statements(draw, facts, lambda _, fact: {fact.answer: ALONE})
    mixed = statements(draw, facts, lambda _, fact: {fact.answer: BESIDE})
    mixed += statements(draw, compositions(KIND, COMPOSED).values())
    draw.rng.shuffle(mixed)
    return [*fact_documents(draw, alone), *fact_documents(draw, mixed)]
