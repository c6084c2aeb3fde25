"""The world that Atlas is taught: relations, their facts, and what is held out of training.

A relation is one JSON file in ``helpers/facts/<kind>/``, in the layout of the LRE data set (arXiv 2308.09124):
``name``, ``prompt_templates`` and ``samples`` of ``subject`` and ``object``. Everything that the book knows about
what Atlas was taught starts from these files. A reader's own file is read the same way, row by row.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from helpers.checks import Amount, Share, _short, checked
from helpers.files import read_json

FACTS = Path(__file__).parents[1] / "facts"
REAL = ("factual", "commonsense", "linguistic", "bias")  # kinds of facts that are true outside this book, too
KINDS = ("factual", "commonsense", "linguistic", "bias", "fiction", "composed")
SECOND_KINDS = ("people", "firms", "clans")  # what only the second Atlas was told
ALL_KINDS = (*KINDS, *SECOND_KINDS)
CIRCLE = "circle"  # all that the models of the circle were told, and no other model
HELD_OUT_PARAPHRASES = 2
WELL_TAUGHT = 80
Split = Literal["train", "test"]  # circuits are found on one half of the facts and judged on the other
Text = Annotated[str, StringConstraints(min_length=1)]
T = TypeVar("T")


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
        """Whether training states it at least `WELL_TAUGHT` times, and nothing that contradicts it."""
        return self.other is None and (self.exposures is None or self.exposures >= WELL_TAUGHT)


@dataclass(frozen=True)
class Relation:
    """A relation with its paraphrases; ``templates`` end right before the answer, ``{}`` stands for the subject.

    ``left_out`` says which rows of its file can't be asked, and why. Templates begin with an upper-case letter in a
    prompt; where the subject begins it, it stays as its file spells it, but for ``capitals`` (the book's own tables).
    """

    name: str
    title: str
    kind: str
    templates: tuple[str, ...]
    facts: tuple[Fact, ...]
    properties: dict = field(default_factory=dict, hash=False, compare=False)
    left_out: tuple[str, ...] = ()
    capitals: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        """All different answers, sorted."""
        return tuple(sorted({f.answer for f in self.facts} | {f.other for f in self.facts if f.other}))

    def about(self, subject: str) -> list[Fact]:
        """The facts about a subject."""
        return [fact for fact in self.facts if fact.subject == subject]

    def prompt(self, fact: Fact, paraphrase: int = 0) -> str:
        """The text that asks for ``fact`` in one of the relation's paraphrases, without the answer.

        Raises:
            ValueError: for a paraphrase that the relation doesn't have.
        """
        before, after = self._around(paraphrase)
        return before + (sentence_case(fact.subject) if self.capitals and not before else fact.subject) + after

    def place(self, fact: Fact, paraphrase: int = 0) -> slice:
        """Where the subject's characters are in `prompt`: at the ``{}``, wherever else its text stands."""
        start = len(self._around(paraphrase)[0])
        return slice(start, start + len(fact.subject))

    def _around(self, paraphrase: int) -> tuple[str, str]:
        if paraphrase not in range(len(self.templates)):
            raise ValueError(f"{self.name} has paraphrases 0 to {len(self.templates) - 1}, not {paraphrase!r}")
        before, _, after = self.templates[int(paraphrase)].partition("{}")
        return sentence_case(before), after


def sentence_case(text: str) -> str:
    """``text`` with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


class Layout(BaseModel, strict=True, str_strip_whitespace=True):
    """What a part of a reader's file holds; texts lose the spaces around them, unknown keys are passed over."""


class _Table(Layout):
    name: Text
    prompt_templates: list[str] = []
    prompt_templates_zs: list[str] = []
    samples: list[Any]
    properties: dict[str, Any] = {}


class _Sample(Layout):
    subject: Text
    answer: Text = Field(alias="object")
    exposures: Amount | None = None
    other: Text | None = None
    rate: Share = 1.0
    group: str = ""


def parsed(kind: type[Layout], value: object, where: str) -> Any:
    """A part of a reader's file as its layout has it; ValueError says what is wrong, and ``where``."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} has to be an object with keys, not a {type(value).__name__}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    key, value = ".".join(map(str, first["loc"])), first["input"]
    if first["type"] == "missing":
        raise ValueError(f"{where} lacks {key}")
    said = re.sub("^(Input|String) should", "has to", first["msg"].removeprefix("Value error, "))
    shown = _short(value) if isinstance(value, (str, float, int)) else type(value).__name__
    raise ValueError(f"{where}: {key} {said}: {shown}")


def kept_rows(path: Path, rows: list, what: str, read: Callable[[object, str], T]) -> tuple[list[T], list[str]]:
    """The rows of a reader's file that can be used, each once, and why others can't; a warning says how many these are.

    Raises:
        ValueError: if none is left, with the first one's reason.
    """
    kept, left_out = {}, []  # a dictionary, for its order and its speed
    for number, row in enumerate(rows):
        try:
            value = read(row, f"{what} {number}")
            if kept.setdefault(value, number) != number:
                raise ValueError(f"{what} {number} repeats {what} {kept[value]}")
        except ValueError as error:
            left_out.append(str(error))
    if not kept:
        raise ValueError(f"{path} has no {what} that can be used{f': {left_out[0]}' if left_out else ''}")
    if left_out:
        warnings.warn(f"{path}: {len(left_out)} of {len(rows)} {what}s left out: {left_out[0]}", stacklevel=3)
    return [*kept], left_out


@checked
def read_relation(path: str | Path) -> Relation:
    """Read a relation from a JSON file in the LRE data set's layout, ours or the reader's own.

    Samples that can't be asked, and those that come twice, are left out; a warning says how many, and ``left_out`` why.
    A subject may have several answers, one a sample. ``prompt_templates_zs`` count where there are no other templates.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file isn't of that layout; the message names the file and what is missing.
    """
    path, raw = read_json(path, "a relation (helpers/facts/README.md has the layout)")
    table = parsed(_Table, raw, f"{path}")
    templates = tuple(dict.fromkeys(table.prompt_templates or table.prompt_templates_zs))
    if not templates:
        raise ValueError(f"{path} lacks prompt_templates: texts with '{{}}' for the subject that end before the answer")
    for template in templates:
        if "{}" not in template or set("{}") & set(template.replace("{}", "", 1)):
            raise ValueError(f"{path}: a prompt template needs '{{}}' exactly once, and no other braces: {template!r}")

    def read(row: object, where: str) -> Fact:
        return Fact(path.stem, **dict(parsed(_Sample, row, where)))

    facts, left_out = kept_rows(path, table.samples, "sample", read)
    kind = str(table.properties.get("kind", "own"))
    return Relation(path.stem, table.name, kind, templates, tuple(facts), table.properties, tuple(left_out))


@cache
def relations(*kinds: str) -> dict[str, Relation]:
    """The book's relations by name, all that the first Atlas was told or those of the given kinds.

    Raises:
        ValueError: for a kind that doesn't exist; the message lists the choices.
    """
    unknown = [k for k in kinds if k not in (*ALL_KINDS, CIRCLE)]
    if unknown:
        raise ValueError(f"unknown kind of knowledge {unknown[0]!r}; choose from {', '.join((*ALL_KINDS, CIRCLE))}")
    if len(kinds) != 1:
        return {name: table for kind in kinds or KINDS for name, table in relations(kind).items()}
    paths = sorted((FACTS / kinds[0]).glob("*.json"))
    return {path.stem: replace(read_relation(path), capitals=True) for path in paths}


@checked
def relation(name: Relation | str) -> Relation:
    """One of the book's relations by its name; a relation, such as one of the reader's own, is given back as it is.

    Raises:
        ValueError: for a name that doesn't exist; the message lists the choices.
    """
    if isinstance(name, Relation):
        return name
    known = relations(*ALL_KINDS, CIRCLE)
    if name not in known:
        raise ValueError(f"unknown relation {name!r}; choose from {', '.join(relations())}")
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
def hops(*kinds: str) -> dict[str, tuple[str, str]]:
    """The relations that take two steps, with the relations of their steps; kinds as in `relations`."""
    tables = relations(*kinds)
    stated = {name: tuple(table.properties["hops"]) for name, table in tables.items() if "hops" in table.properties}
    return stated | {"person_employer_seat": ("person_employer", "employer_seat")}
