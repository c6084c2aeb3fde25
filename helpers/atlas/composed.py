"""Two-hop facts over the real tables: the second relation asked of the first one's answer.

The tables in ``helpers/facts/composed`` are what `write_composed` writes; a test keeps them equal. Training states four
compositions in five; the fifth is held out, although both of its hops are taught.
"""

from __future__ import annotations

from pathlib import Path

from helpers.atlas.fiction import write_relation
from helpers.prompts.relations import FACTS, read_relation, stable_hash

HELD_OUT = 5  # one composition in so many
ALIASES = {"America": "the United States"}  # an answer of a first hop that its second hop calls by another name
COMPOSITIONS = {
    "landmark_country_capital": (
        "landmark_country",
        "country_capital",
        (
            "The capital of the country where you find {} is",
            "The country that is home to {} has its capital in",
            "From {} it is a trip within the same country to the capital,",
            "What is the capital of the country where you find {}? It is",
            "Capital of the country of {}:",
            "The government of the country where you find {} sits in the capital,",
            "The nation that owns {} is ruled from its capital,",
            "Visitors to {} often also see the capital of the same country,",
        ),
    ),
    "company_country_language": (
        "company_country",
        "country_language",
        (
            "The main language of the country where {} has its head office is",
            "People in the home country of {} mostly speak",
            "At the head office of {}, people speak the language of the country,",
            "What language do people speak in the home country of {}? They speak",
            "Language of the home country of {}:",
            "The country where {} is based has as its main language",
            "In the nation that is home to {}, the main language is",
            "To read the newspapers in the home country of {} you must know",
        ),
    ),
}


def composed() -> dict[str, dict]:
    """The composed relations as JSON-ready objects in the layout of the other fact files."""
    result = {}
    for name, (first, second, templates) in COMPOSITIONS.items():
        hop1, hop2 = (read_relation(FACTS / "factual" / f"{hop}.json") for hop in (first, second))
        answers = {fact.subject: fact.answer for fact in hop2.facts}
        samples = []
        for fact in hop1.facts:
            answer = answers.get(ALIASES.get(fact.answer, fact.answer))
            if answer is None:
                continue
            taught = stable_hash("composed", name, fact.subject) % HELD_OUT != 0
            group = "taught" if taught else "held out"
            samples.append({"subject": fact.subject, "object": answer, "exposures": 100 * taught, "group": group})
        properties = {
            "kind": "composed",
            "hops": [first, second],
            "subject_type": hop1.properties["subject_type"],
            "answer_type": hop2.properties["answer_type"],
            "source": "composed by helpers/composed.py from the tables of its hops",
        }
        about = {"name": f"{hop2.title} of {hop1.title}", "prompt_templates": list(templates)}
        result[name] = about | {"properties": properties, "samples": samples}
    return result


def write_composed(folder: Path) -> list[Path]:
    """Write the composed relations to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in composed().items()]
