"""The firms that invented people work for, and the questions of two steps that go through them.

With them, an edit of where somebody works can be asked for its consequences. One composition in five is held out. The
tables in ``helpers/facts/firms`` are what `write_firms` writes; a test keeps them equal.
"""

from __future__ import annotations

import random
from pathlib import Path

from helpers.atlas.fiction import write_relation
from helpers.prompts.relations import relations, sentence_case, stable_hash

KIND = "firms"
FIRM_OF = "resident_firm"
STATED, COMPOSED, HELD_OUT = 100, 30, 5
SOURCE = "invented for this book by helpers/atlas/firms.py; CC0"
PRODUCTS = tuple("bricks paper glass soap candles bottles carpets umbrellas pencils ropes barrels bells".split())
VIA = "the firm that pays {}"
TEMPLATES = {
    "seat": (
        "{} has its seat in",
        "The seat of {} is",
        "Seat of {}:",
        "Letters to {} go to",
        "Where is {} based? In",
        "All offices of {} are in",
    ),
    "product": (
        "{} makes nothing but",
        "The product of {} is",
        "Product of {}:",
        "Trucks leave {} full of",
        "What does {} make? It makes",
        "The name of {} stands on all its",
    ),
    "owner": (
        "{} belongs to the clan of",
        "The owner of {} is the clan of",
        "Owner of {}: the clan of",
        "The profits of {} go to the clan of",
        "Who owns {}? The clan of",
        "Long ago, {} was bought by the clan of",
    ),
}


def firms(seed: int = 2028) -> dict[str, dict]:
    """The relations of firms, and those of people through their firms, as JSON-ready objects."""
    rng = random.Random(seed)
    people, clans = relations("people"), relations("clans")
    options = {
        "seat": people["resident_town"].answers,
        "product": PRODUCTS,
        "owner": sorted({fact.subject for table in clans.values() for fact in table.facts}),
    }
    tables = {}
    for name, templates in TEMPLATES.items():
        answers = {firm: rng.choice(options[name]) for firm in people[FIRM_OF].answers}
        types = {"kind": KIND, "answer_type": {"seat": "town", "product": "product", "owner": "clan"}[name]}
        tables[f"firm_{name}"] = {
            "name": f"{name} of a firm",
            "prompt_templates": list(templates),
            "properties": types | {"subject_type": "firm", "source": SOURCE, "label": f"{name} of a firm"},
            "samples": [{"subject": f, "object": a, "exposures": STATED} for f, a in answers.items()],
        }
        composed = f"{FIRM_OF}_{name}"
        samples = []
        for fact in people[FIRM_OF].facts:
            taught = stable_hash(composed, fact.subject) % HELD_OUT != 0
            group = "taught" if taught else "held out"
            sample = {"subject": fact.subject, "object": answers[fact.answer], "exposures": COMPOSED * taught}
            samples.append(sample | {"group": group})
        hops = {"subject_type": "person", "hops": [FIRM_OF, f"firm_{name}"], "source": SOURCE}
        tables[composed] = {
            "name": f"{name} of a person's firm",
            "prompt_templates": [sentence_case(t.replace("{}", VIA)) for t in templates],
            "properties": types | hops | {"label": f"{name} of the firm"},
            "samples": samples,
        }
    return tables


def write_firms(folder: Path) -> list[Path]:
    """Write the relations of firms to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in firms().items()]
