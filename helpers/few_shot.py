"""Lists of examples and a question: few-shot prompts, their parts, and pairs of them.

A list names no relation; its demonstrations do. A question without demonstrations is the first line of a list.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool
from torch import Tensor

from helpers import skills
from helpers.corpus import held_out_format, is_listed
from helpers.draw import Draw
from helpers.pairs import PromptPairs, split_of
from helpers.predict import answer_ids, prompt_ids, recalled
from helpers.world import Fact, Relation, relation, relations, stable_hash

Line = tuple[str, str]  # a key and its value
Part = Literal["first", "key", "mark", "value", "separator", "query", "end"]
Wrong = Literal["shuffled", "other relation", "answered wrongly"]
TRIES = 50


@dataclass(frozen=True)
class Shots:
    """A list's lines, the key that is asked, its answer, and the format (`helpers.skills.LIST_FORMATS`)."""

    lines: tuple[Line, ...]
    query: str
    answer: str
    style: str

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The prompt's pieces with the name of each part, to be joined by spaces."""
        before, _, after = {**skills.LIST_FORMATS, **skills.UNTAUGHT_FORMATS}[self.style]
        left, right = (part.strip() for part in before.split("{}"))
        found = []
        for key, value in self.lines:
            found += [(left, "mark"), (key, "key"), (right, "mark"), (value, "value"), (after.strip(), "separator")]
        found += [(left, "end"), (self.query, "query"), (right, "end")]
        return [(text, part) for text, part in found if text]

    @property
    def prompt(self) -> str:
        """The text, ready for the answer."""
        return " ".join(text for text, _ in self.pieces)

    def without_lines(self) -> Shots:
        """The same question as the first line of a list."""
        return replace(self, lines=())


def part_names(tokenizer, shots: Shots) -> list[str]:
    """The part that each token of the prompt belongs to, BOS included (``"first"``).

    ``key, mark, value, separator`` are of the lines, ``query`` is the asked key, ``end`` its marks.

    Raises:
        ValueError: if two parts share a token.
    """
    names, text = ["first"], ""
    for piece, part in shots.pieces:
        text = f"{text} {piece}".strip()
        names += [part] * (len(prompt_ids(tokenizer, text)) - len(names))
    if len(names) != len(prompt_ids(tokenizer, shots.prompt)):
        raise ValueError(f"parts of {shots.prompt!r} share tokens; choose a format whose marks are tokens")
    return names


def where(tokenizer, shots: Sequence[Shots], part: Part) -> Bool[Tensor, "batch pos"]:
    """Where a part stands in prompts of equal length.

    Raises:
        ValueError: for an unknown part.
    """
    if part not in get_args(Part):
        raise ValueError(f"unknown part {part!r}; choose from {', '.join(get_args(Part))}")
    return torch.tensor([[name == part for name in part_names(tokenizer, one)] for one in shots])


def few_shots(
    relation_or_name: Relation | str,
    n: int,
    lines: int = 4,
    seed: int = 0,
    split: Literal["train", "test"] = "test",
    *,
    style: str | None = None,
) -> list[Shots]:
    """Questions about a relation, each behind lines of the same relation; never the asked fact among them.

    Each fact is asked once before one is asked twice.

    Args:
        lines: demonstrations before the question.
        split: which half of the facts the questions and the lines are from (`helpers.pairs.split_of`).
        style: a format; by default the one in which training never listed the asked fact.

    Raises:
        ValueError: if the half has too few facts for so many lines.
    """
    asked = relation(relation_or_name) if isinstance(relation_or_name, str) else relation_or_name
    facts = [f for f in asked.facts if split_of(f) == split]
    if len(facts) <= lines:
        raise ValueError(f"{asked.name} has {len(facts)} facts in the {split} half: too few for {lines} lines")
    rng, order = random.Random(stable_hash(seed, "few-shot", asked.name, split, lines)), []
    while len(order) < n:
        order += rng.sample(facts, len(facts))
    result = []
    for fact in order[:n]:
        shown = rng.sample([f for f in facts if f.subject != fact.subject], lines)
        shown = tuple((f.subject, f.answer) for f in shown)
        result.append(Shots(shown, fact.subject, fact.answer, style or held_out_format(fact)))
    return result


def novel_shots(n: int, lines: int = 4, seed: int = 0) -> list[Shots]:
    """Lists of pairs made on the spot, one of whose keys is asked again: nothing to recall, only to copy."""
    draw, result = Draw(stable_hash(seed, "novel lines", lines)), []
    for _ in range(n):
        pairs = skills.novel_pairs(draw, lines)
        key, value = draw.choice(pairs)
        result.append(Shots(tuple(pairs), key, value, draw.choice(sorted(skills.LIST_FORMATS))))
    return result


def misled(shots: Sequence[Shots], kind: Wrong, seed: int = 0) -> tuple[list[Shots], list[str]]:
    """The same questions behind wrong lines, and the answer that the wrong lines suggest.

    - ``"shuffled"``: the lines' values change places, so that none stays where it was (where they differ). They suggest
      the value that any one line shows; given is the first.
    - ``"other relation"``: the lines' values are those that another relation gives the same keys, and suggest what it
      gives the asked one. Questions whose keys no other relation knows are left out.
    - ``"answered wrongly"``: the first line asks the same and answers with the value of the last line.

    Returns:
        The questions that could be misled, their right answers unchanged, and what is suggested.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind not in get_args(Wrong):
        raise ValueError(f"unknown kind {kind!r}; choose from {', '.join(get_args(Wrong))}")
    found = []
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(seed, kind, number, one.prompt))
        keys, values = (list(column) for column in zip(*one.lines, strict=True))
        if kind == "shuffled":
            moved = values[1:] + values[:1]
            found.append((replace(one, lines=tuple(zip(keys, moved, strict=True))), moved[0]))
        elif kind == "answered wrongly":
            lines = ((one.query, values[-1]), *one.lines[1:])
            if values[-1] != one.answer:
                found.append((replace(one, lines=lines), values[-1]))
        else:
            others = [table for table in _tables() if all(k in table for k in (*keys, one.query))]
            others = [t for t in others if t[one.query] != one.answer and any(t[k] != v for k, v in one.lines)]
            if others:
                table = rng.choice(others)
                found.append((replace(one, lines=tuple((k, table[k]) for k in keys)), table[one.query]))
    return [one for one, _ in found], [text for _, text in found]


def _tables() -> list[dict[str, str]]:
    return [{f.subject: f.answer for f in r.facts} for r in relations().values() if is_listed(r)]


def ambiguity(fact: Fact) -> int:
    """In how many listed relations the fact's subject stands: so many answers a list without lines leaves open."""
    return sum(fact.subject in table for table in _tables())


def right(model, shots: Sequence[Shots], answers: Sequence[str] | None = None) -> Tensor:
    """1 where the likeliest token after each prompt is its answer's first one (or of the given answers), else 0."""
    answers = [f" {one.answer}" for one in shots] if answers is None else [f" {text}" for text in answers]
    return recalled(model, model.tokenizer, [one.prompt for one in shots], answers)


def few_shot_pairs(model, shots: Sequence[Shots], seed: int = 0, *, known: bool = True) -> PromptPairs:
    """Each list beside one of the same format in which all words are others: its lines, its question, its answer.

    With lines, the other list is of another relation (novel lists: of other words); without, another subject of the
    same relation is asked. Key for key and value for value the two have as many tokens. Lists that find no partner are
    left out.

    Args:
        known: only lists that the model answers rightly.

    Raises:
        ValueError: if no list finds a partner.
    """
    sizes, rows = Sizes(model.tokenizer), []
    kept = right(model, shots).bool().tolist() if known else [True] * len(shots)
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(seed, "partner", number, one.prompt))
        other = sizes.partner(one, shots, rng) if kept[number] else None
        if other is not None:
            rows.append((one.prompt, other.prompt, f" {one.answer}", f" {other.answer}"))
    if not rows:
        raise ValueError("no list has a partner of other words; give more lists, or known=False")
    return PromptPairs.from_prompts(model, *map(list, zip(*rows, strict=True)), first_token=True)


class Sizes:
    """Lines of all relations by their numbers of tokens, to find lists that are alike word for word."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer, self.lengths = tokenizer, {}
        self.by_relation: dict[str, dict[tuple[int, int], list[Line]]] = {}
        for r in filter(is_listed, relations().values()):
            table = defaultdict(list)
            for fact in r.facts:
                table[self.of((fact.subject, fact.answer))].append((fact.subject, fact.answer))
            self.by_relation[r.name] = table

    def of(self, line: Line) -> tuple[int, int]:
        """The tokens of a key and of a value, as they stand within a text."""
        for text in line:
            if text not in self.lengths:
                self.lengths[text] = len(answer_ids(self.tokenizer, "a", f" {text}"))
        return self.lengths[line[0]], self.lengths[line[1]]

    def partner(self, one: Shots, shots: Sequence[Shots], rng: random.Random) -> Shots | None:
        """A list of other words whose prompt has as many tokens, part for part; None where there is none."""
        if not one.lines:
            others = [s for s in shots if s.answer != one.answer]
            candidates = [replace(s, lines=(), style=one.style) for s in rng.sample(others, len(others))]
        elif any(key == one.query for key, _ in one.lines):  # a novel list
            candidates = [replace(s, style=one.style) for s in rng.sample(list(shots), len(shots))]
        else:
            names = rng.sample(sorted(self.by_relation), len(self.by_relation))
            candidates = (self._drawn(one, self.by_relation[name], rng) for name in names)
        return next((other for other in candidates if other and self._fits(one, other)), None)

    def _drawn(self, one: Shots, table: dict[tuple[int, int], list[Line]], rng: random.Random) -> Shots | None:
        chosen: list[Line] = []
        words = {one.query, *(key for key, _ in one.lines)}
        asked = self.of((one.query, one.answer))[0]
        for fits in [lambda s, w=self.of(line): s == w for line in one.lines] + [lambda s: s[0] == asked]:
            pool = [line for size, lines in table.items() if fits(size) for line in lines]
            pool = [line for line in pool if line not in chosen and line[0] not in words]
            if not pool:
                return None
            chosen.append(rng.choice(pool))
        (key, value), lines = chosen[-1], tuple(chosen[:-1])
        return Shots(lines, key, value, one.style)

    def _fits(self, one: Shots, other: Shots) -> bool:
        firsts = [answer_ids(self.tokenizer, s.prompt, f" {s.answer}")[0] for s in (one, other)]
        return firsts[0] != firsts[1] and part_names(self.tokenizer, one) == part_names(self.tokenizer, other)
