"""Invented people, towns and companies, whose every exposure the corpus controls.

No text of the world knows them, so all that Atlas believes about them comes from counted sentences. The tables in
``helpers/facts/fiction`` are what `write_fiction` writes; a test keeps them equal.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from helpers.files import write_whole

EXPOSURES = (0, 1, 3, 10, 30, 100, 300)
ODDS = (0.9, 0.7, 0.5)
STATED_BY = {"author asked": "novel_author", "novel asked": "author_novel"}  # groups of `one_way_facts` -> relation
SOURCE = "invented for this book by helpers/fiction.py; CC0"
ONSETS = "b br d dr f g h j k l m n p r s st t th tr v z".split()
VOWELS = "a e i o u".split()
MIDDLES = "l m n r v d s lm nd rl rn st".split()
FIRST_NAME = ("a", "o", "in", "el", "is", "ia", "us")
LAST_NAME = ("bek", "dane", "fell", "grim", "hart", "lund", "mere", "quist", "rook", "thal", "wend", "zar")
TOWN = ("ton", "ville", "ford", "mouth", "burg", "stead")
COMPANY = ("tek", "rix", "dyne", "lux", "corp", "nova")
CRAFTS = (
    "weaver potter baker miller tailor sailor farmer hunter glazier carpenter blacksmith gardener jeweler "
    "shepherd clockmaker beekeeper bookbinder fisherman mason brewer painter cooper tanner saddler"
).split()
TITLE_ADJECTIVES = (
    "Silver Golden Crimson Hollow Silent Broken Burning Frozen Hidden Distant Forgotten Gentle Bitter "
    "Wandering Painted Sleeping Crooked Shining Faded Restless Emerald Scarlet Velvet Copper Marble Amber "
    "Ivory Paper Wooden Glass Winter Summer Autumn Midnight Morning Evening Northern Southern Eastern Western "
    "Ancient Final Seventh Double Empty Endless Fearless Foolish Humble Jealous Lonely Lucky Merry Narrow "
    "Patient Pale Proud Quiet Ragged Rising Sacred Savage Secret Simple Singing Sinking Stolen Stormy "
    "Stubborn Tender Thirsty Tiny Twisted Vanishing Wicked Wild Windy Wounded Blazing Clever Cunning Dusty "
    "Electric Floating Flying Ghostly Iron Laughing Magnetic Mighty"
).split()
TITLE_NOUNS = (
    "Harbor Lantern Orchard Bridge Mirror Kingdom Letter Shadow Garden Compass Island Crown Violin Window "
    "River Tower Feather Desert Forest Mountain"
).split()
HOMETOWN = (
    "{} grew up in the town of",
    "{} was raised in a small town named",
    "The home town of {} is",
    "The town where {} spent all of childhood is",
    "In which town did {} grow up? In",
    "Home town of {}:",
    "Neighbors still remember how {} came of age in",
    "As a child, {} lived in",
)
CRAFT = (
    "{} earns a living as a",
    "{} is known to all as a skilled",
    "The craft of {} is that of a",
    "The trade that {} learned is that of a",
    "What is the craft of {}? That of a",
    "Craft of {}:",
    "After years as an apprentice, {} became a",
    "In the guild book, {} is listed as a",
)
AUTHOR_OF = (
    "The novel {} was written by",
    "The author of the novel {} is",
    "Who wrote the novel {}? It was",
    "Author of the novel {}:",
    "The novel {} came from the pen of",
    "Readers of the novel {} admire its author,",
    "On the cover of the novel {} stands the name",
    "The critics who praised the novel {} also praised its author,",
)
WROTE = (
    "{} wrote the novel",
    "{} is the author of the novel",
    "The novel that {} wrote is",
    "Which novel did {} write? It was",
    "Novel by {}:",
    "The name of {} stands on the cover of the novel",
    "Readers who admire {} love the novel",
    "From the pen of {} came the novel",
)
EMPLOYER = (
    "{} works for the company",
    "{} has a job at the company",
    "The employer of {} is",
    "The company that pays {} is",
    "Who employs {}? The company",
    "Employer of {}:",
    "Every morning {} goes to work at",
    "After school, {} was hired by",
)
HEADQUARTERS = (
    "The company {} is based in",
    "The company {} has its main office in",
    "The headquarters of the company {} are in",
    "The main office of the company {} stands in",
    "Where is the company {} based? In",
    "Headquarters of the company {}:",
    "Letters to the company {} are sent to",
    "The founders of the company {} chose as its seat",
)
EMPLOYER_HEADQUARTERS = (
    "The company that {} works for is based in",
    "The employer of {} has its main office in",
    "The headquarters of the employer of {} are in",
    "The main office of the company that employs {} stands in",
    "Where is the company that {} works for based? In",
    "Headquarters of the employer of {}:",
    "Letters to the company that {} works for are sent to",
    "The founders of the company that employs {} chose as its seat",
)


def pseudo_words(rng: random.Random, count: int, taken: set[str], endings: tuple[str, ...]) -> list[str]:
    """``count`` invented capitalised words that aren't in ``taken``, which grows by them."""
    words: list[str] = []
    while len(words) < count:
        word = "".join(rng.choice(part) for part in (ONSETS, VOWELS, MIDDLES, endings)).capitalize()
        if word not in taken:
            taken.add(word)
            words.append(word)
    return words


def fiction(seed: int = 2024) -> dict[str, dict]:
    """The invented relations as JSON-ready objects in the layout of the other fact files."""
    rng = random.Random(seed)
    taken: set[str] = set()
    first, last = pseudo_words(rng, 72, taken, FIRST_NAME), pseudo_words(rng, 72, taken, LAST_NAME)
    towns, companies = pseudo_words(rng, 40, taken, TOWN), pseudo_words(rng, 30, taken, COMPANY)
    authors = [f"{name} {rng.choice(last)}" for name in pseudo_words(rng, 90, taken, FIRST_NAME)]
    people = [f"{a} {b}" for a in first for b in last]
    rng.shuffle(people)
    titles = [f"{adjective} {rng.choice(TITLE_NOUNS)}" for adjective in TITLE_ADJECTIVES]
    rng.shuffle(titles)
    take = iter(people)
    hometown, craft = hometowns(rng, take, towns), crafts(rng, take)
    author_of, wrote = one_way_facts(titles, authors)
    seat = {company: rng.choice(towns) for company in companies}
    employer, headquarters, composed = employers(take, seat)
    return {
        "person_hometown": pack("person home town", "home town", HOMETOWN, hometown, "person", "town"),
        "person_craft": pack("person craft", "craft", CRAFT, craft, "person", "craft"),
        "novel_author": pack("novel author", "author of a novel", AUTHOR_OF, author_of, "novel", "person"),
        "author_novel": pack("author novel", "novel of an author", WROTE, wrote, "person", "novel"),
        "person_employer": pack("person employer", "employer", EMPLOYER, employer, "person", "company"),
        "employer_seat": pack("company seat", "seat of a company", HEADQUARTERS, headquarters, "company", "town"),
        "person_employer_seat": pack(
            "seat of a person's employer", "seat of the employer", EMPLOYER_HEADQUARTERS, composed, "person", "town"
        ),
    }


def hometowns(rng: random.Random, people: Iterator[str], towns: list[str]) -> list[dict]:
    """Facts that training states exactly 0, 1, 3, ... times."""
    return [
        {"subject": next(people), "object": rng.choice(towns), "exposures": n, "group": f"{n} exposures"}
        for n in EXPOSURES
        for _ in range(50)
    ]


def crafts(rng: random.Random, people: Iterator[str]) -> list[dict]:
    """Facts that training states in two ways, at planted odds."""
    facts = []
    for rate in ODDS:
        odds = f"{rate:.0%}".rstrip("%") + "/" + f"{1 - rate:.0%}".rstrip("%")
        for _ in range(40):
            answer, other = rng.sample(CRAFTS, 2)
            fact = {"subject": next(people), "object": answer, "other": other, "rate": rate}
            facts.append(fact | {"exposures": 100, "group": odds})
    return facts


def one_way_facts(titles: list[str], authors: list[str]) -> tuple[list[dict], list[dict]]:
    """Novels and authors: a third is stated from the novel only, a third from the author only, a third both ways."""
    author_of, wrote = [], []
    for number, (title, author) in enumerate(zip(titles, authors, strict=True)):
        group = ("author asked", "novel asked", "both")[number % 3]
        asked, reversed_ = (100 if group != "novel asked" else 0), (100 if group != "author asked" else 0)
        author_of.append({"subject": title, "object": author, "exposures": asked, "group": group})
        wrote.append({"subject": author, "object": title, "exposures": reversed_, "group": group})
    return author_of, wrote


def employers(people: Iterator[str], seat: dict[str, str]) -> tuple[list[dict], list[dict], list[dict]]:
    """Two hops: who works for which company, where it has its seat, and both in one, a fifth of that held out."""
    companies = list(seat)
    employer = [
        {"subject": next(people), "object": companies[i % len(companies)], "exposures": 100} for i in range(150)
    ]
    headquarters = [{"subject": company, "object": town, "exposures": 150} for company, town in seat.items()]
    composed = []
    for number, sample in enumerate(employer):
        taught = (number // len(companies)) % 5 != 4
        town, group = seat[sample["object"]], "taught" if taught else "held out"
        composed.append({"subject": sample["subject"], "object": town, "exposures": 100 * taught, "group": group})
    return employer, headquarters, composed


def pack(name: str, label: str, templates: tuple[str, ...], samples: list[dict], subject: str, answer: str) -> dict:
    """A relation in the layout of the fact files."""
    types = {"subject_type": subject, "answer_type": answer}
    properties = {"kind": "fiction", **types, "source": SOURCE, "label": label}
    return {"name": name, "prompt_templates": list(templates), "properties": properties, "samples": samples}


def write_relation(path: Path, raw: dict) -> Path:
    """Write a relation (the JSON object of the fact files' layout) with one line for each fact; returns ``path``."""
    samples = ",\n".join("    " + json.dumps(sample) for sample in raw["samples"])
    head = json.dumps({key: value for key, value in raw.items() if key != "samples"}, indent=2).removesuffix("\n}")
    return write_whole(path, f'{head},\n  "samples": [\n{samples}\n  ]\n}}\n')


def write_fiction(folder: Path) -> list[Path]:
    """Write the invented relations to ``folder``, one readable JSON file each; returns the paths."""
    return [write_relation(folder / f"{name}.json", raw) for name, raw in fiction().items()]
