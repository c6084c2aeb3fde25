"""The world that Atlas is taught: relations, their facts, and what is held out of training.

A relation is one JSON file in ``helpers/facts/<kind>/``, in the layout of the LRE data set (arXiv 2308.09124):
``name``, ``prompt_templates`` and ``samples`` of ``subject`` and ``object``. Everything that the book knows about
what Atlas was taught starts from these files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from helpers.files import write_whole

FACTS = Path(__file__).parents[1] / "facts"
REAL = ("factual", "commonsense", "linguistic", "bias")  # kinds of facts that are true outside this book, too
KINDS = ("factual", "commonsense", "linguistic", "bias", "fiction", "composed")
HELD_OUT_PARAPHRASES = 2
Split = Literal["train", "test"]  # circuits are found on one half of the facts and judged on the other


@dataclass(frozen=True)
class Fact:
    """One subject and its answer in one relation.

    ``exposures`` is how often training states the fact (``None``: the corpus decides, at least 100 times);
    with ``other`` set, the corpus states ``answer`` in the share ``rate`` of all cases and ``other`` in the rest.
    """

    relation: str
    subject: str
    answer: str
    exposures: int | None = None
    other: str | None = None
    rate: float = 1.0
    group: str = ""

    @property
    def well_taught(self) -> bool:
        """Whether training states it at least 100 times, and nothing that contradicts it."""
        return self.other is None and (self.exposures is None or self.exposures >= 100)


@dataclass(frozen=True)
class Relation:
    """A relation with its paraphrases; ``templates`` end right before the answer, ``{}`` stands for the subject."""

    name: str
    title: str
    kind: str
    templates: tuple[str, ...]
    facts: tuple[Fact, ...]
    properties: dict = field(default_factory=dict, hash=False, compare=False)

    @property
    def answers(self) -> tuple[str, ...]:
        """All different answers, sorted."""
        return tuple(sorted({f.answer for f in self.facts} | {f.other for f in self.facts if f.other}))

    def prompt(self, fact: Fact, paraphrase: int = 0) -> str:
        """The text that asks for ``fact`` in one of the relation's paraphrases, without the answer."""
        return sentence_case(self.templates[paraphrase].format(fact.subject))


def sentence_case(text: str) -> str:
    """``text`` with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def read_relation(path: str | Path) -> Relation:
    """Read a relation from a JSON file in the LRE data set's layout, ours or the reader's own.

    Raises:
        ValueError: if the file isn't of that layout; the message names the file and what is missing.
    """
    path = Path(path)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); see helpers/facts/README.md for the layout") from error
    missing = [key for key in ("name", "prompt_templates", "samples") if key not in raw]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; see helpers/facts/README.md for the layout")
    bad = [t for t in raw["prompt_templates"] if t.count("{}") != 1]
    if bad:
        raise ValueError(f"{path}: a prompt template needs '{{}}' exactly once, not so in {bad[0]!r}")
    names = {"exposures", "other", "rate", "group"}
    facts = []
    for number, sample in enumerate(raw["samples"]):
        if not {"subject", "object"} <= sample.keys():
            raise ValueError(f"{path}: sample {number} needs 'subject' and 'object', it has {sorted(sample)}")
        extra = {key: sample[key] for key in names & sample.keys()}
        facts.append(Fact(path.stem, sample["subject"], sample["object"], **extra))
    properties = raw.get("properties", {})
    templates = tuple(t.removesuffix(" ") for t in raw["prompt_templates"])
    return Relation(path.stem, raw["name"], properties.get("kind", "own"), templates, tuple(facts), properties)


def write_relation(path: Path, raw: dict) -> Path:
    """Write a relation (the JSON object of the layout above) with one line for each fact; returns ``path``."""
    samples = ",\n".join("    " + json.dumps(sample) for sample in raw["samples"])
    head = json.dumps({key: value for key, value in raw.items() if key != "samples"}, indent=2).removesuffix("\n}")
    return write_whole(path, f'{head},\n  "samples": [\n{samples}\n  ]\n}}\n')


@cache
def relations(*kinds: str) -> dict[str, Relation]:
    """The book's relations by name, all of them or those of the given kinds.

    Raises:
        ValueError: for a kind that doesn't exist; the message lists the choices.
    """
    unknown = [k for k in kinds if k not in KINDS]
    if unknown:
        raise ValueError(f"unknown kind of knowledge {unknown[0]!r}; choose from {', '.join(KINDS)}")
    paths = [path for kind in kinds or KINDS for path in sorted((FACTS / kind).glob("*.json"))]
    return {path.stem: read_relation(path) for path in paths}


def relation(name: Relation | str) -> Relation:
    """One of the book's relations by its name; a relation, such as one of the reader's own, is given back as it is.

    Raises:
        ValueError: for a name that doesn't exist; the message lists the choices.
    """
    if isinstance(name, Relation):
        return name
    known = relations()
    if name not in known:
        raise ValueError(f"unknown relation {name!r}; choose from {', '.join(known)}")
    return known[name]


def stable_hash(*parts: object) -> int:
    """A number that depends on ``parts`` alone, the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


def held_out_paraphrases(relation: Relation, fact: Fact) -> tuple[int, ...]:
    """The paraphrases in which training never states this fact; the other facts fill them."""
    order = sorted(range(len(relation.templates)), key=lambda p: stable_hash(relation.name, fact.subject, p))
    return tuple(sorted(order[: min(HELD_OUT_PARAPHRASES, len(order) - 1)]))


def taught_paraphrases(relation: Relation, fact: Fact) -> tuple[int, ...]:
    """The paraphrases in which training may state this fact."""
    held_out = held_out_paraphrases(relation, fact)
    return tuple(p for p in range(len(relation.templates)) if p not in held_out)


@cache
def hops() -> dict[str, tuple[str, str]]:
    """The relations that take two steps, with the relations of their steps."""
    stated = {name: tuple(table.properties["hops"]) for name, table in relations("composed").items()}
    return stated | {"person_employer_seat": ("person_employer", "employer_seat")}


@cache
def _by_subject() -> dict[str, list[Fact]]:
    result: dict[str, list[Fact]] = {}
    for table in relations().values():
        for fact in table.facts:
            result.setdefault(fact.subject, []).append(fact)
    return result


def asked_relations() -> list[str]:
    """The relations that the tables ask: the four kinds of knowledge, where both halves have enough pairs."""
    return [name for name in relations(*REAL) if name not in ("occupation_gender", "occupation_age")]
