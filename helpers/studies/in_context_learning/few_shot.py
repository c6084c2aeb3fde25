"""Lists of examples and a question: few-shot prompts and their parts, lines that mislead or say nothing, and pairs.

A list names no relation; its demonstrations do. A question without demonstrations is the first line of a list.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

from torch import Tensor

from helpers.atlas import lists
from helpers.atlas.corpus import held_out_format, is_listed
from helpers.atlas.skills import Draw
from helpers.models.predict import answer_ids, prompt_ids, top1_correct
from helpers.prompts.facts import split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, relation, relations, stable_hash

Line = tuple[str, str]  # a key and its value
Size = Callable[[str], int]  # a word's number of tokens
Wrong = Literal["shuffled", "other relation", "answered wrongly"]


@dataclass(frozen=True)
class FewShotPrompts:
    """A list's lines, the key that is asked, its answer, and the format (`LIST_FORMATS`)."""

    lines: tuple[Line, ...]
    query: str
    answer: str
    style: str

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The prompt's pieces with the name of each part, to be joined by spaces."""
        before, _, after = {**lists.LIST_FORMATS, **lists.UNTAUGHT_FORMATS}[self.style]
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

    def without_lines(self) -> FewShotPrompts:
        """The same question as the first line of a list."""
        return replace(self, lines=())


def part_names(tokenizer, shots: FewShotPrompts) -> list[str]:
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


def mixed_demonstrations(shots: Sequence[FewShotPrompts]) -> list[FewShotPrompts]:
    """The same questions behind as many lines, each of another relation: they show the format and name no relation."""
    rng, tables = random.Random(stable_hash(0, "mixed lines")), listed_tables()
    result = []
    for one in shots:
        chosen = rng.sample(tables, len(one.lines))
        lines = tuple(rng.choice([line for line in table.items() if line[0] != one.query]) for table in chosen)
        result.append(replace(one, lines=lines))
    return result


def few_shot_prompts(
    relation_or_name: Relation | str,
    n: int,
    lines: int = 4,
    seed: int = 0,
    split: Literal["train", "test"] = "test",
    *,
    style: str | None = None,
) -> list[FewShotPrompts]:
    """Questions about a relation, each behind lines of the same relation; never the asked fact among them.

    Each fact is asked once before one is asked twice.

    Args:
        lines: demonstrations before the question.
        split: which half of the facts the questions and the lines are from (`split_of`).
        style: a format; by default the one in which training never listed the asked fact.

    Raises:
        ValueError: if the half has too few facts for so many lines.
    """
    asked = relation(relation_or_name)
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
        result.append(FewShotPrompts(shown, fact.subject, fact.answer, style or held_out_format(fact)))
    return result


def copy_demonstrations(n: int, lines: int = 4) -> list[FewShotPrompts]:
    """Lists of pairs made on the spot, one of whose keys is asked again: nothing to recall, only to copy.

    Raises:
        ValueError: without any line.
    """
    if lines < 1:
        raise ValueError(f"a novel list needs a line to copy from, not {lines}")
    draw, result = Draw(stable_hash(0, "novel lines", lines)), []
    for _ in range(n):
        pairs = lists.novel_pairs(draw, lines)
        key, value = draw.choice(pairs)
        result.append(FewShotPrompts(tuple(pairs), key, value, draw.choice(sorted(lists.LIST_FORMATS))))
    return result


def corrupted_demonstrations(shots: Sequence[FewShotPrompts], kind: str) -> tuple[list[FewShotPrompts], list[str]]:
    """The same questions behind wrong lines, and the answer that the wrong lines suggest.

    - ``"shuffled"``: the lines' values change places, so that none stays where it was (where they differ). They suggest
      the value that any one line shows; given is the first.
    - ``"other relation"``: the lines' values are those that another relation gives the same keys, and suggest what it
      gives the asked one. Questions whose keys no other relation knows are left out.
    - ``"answered wrongly"``: the first line asks the same and answers with the value of the last line.

    Returns:
        The questions that could be misled, their right answers unchanged, and what is suggested.

    Raises:
        ValueError: for an unknown kind, or lists of too few lines.
    """
    if kind not in get_args(Wrong):
        raise ValueError(f"unknown kind {kind!r}; choose from {', '.join(get_args(Wrong))}")
    needed = 2 if kind == "shuffled" else 1
    if any(len(one.lines) < needed for one in shots):
        raise ValueError(f"{kind!r} needs lists of at least {needed} lines")
    found = []
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(0, kind, number, one.prompt))
        keys, values = (list(column) for column in zip(*one.lines, strict=True))
        if kind == "shuffled":
            moved = values[1:] + values[:1]
            found.append((replace(one, lines=tuple(zip(keys, moved, strict=True))), moved[0]))
        elif kind == "answered wrongly":
            lines = ((one.query, values[-1]), *one.lines[1:])
            if values[-1] != one.answer:
                found.append((replace(one, lines=lines), values[-1]))
        else:
            others = [table for table in listed_tables() if all(k in table for k in (*keys, one.query))]
            others = [t for t in others if t[one.query] != one.answer and any(t[k] != v for k, v in one.lines)]
            if others:
                table = rng.choice(others)
                found.append((replace(one, lines=tuple((k, table[k]) for k in keys)), table[one.query]))
    return [one for one, _ in found], [text for _, text in found]


@cache
def listed_tables() -> list[dict[str, str]]:
    """Key and value of each relation that lists of the corpus show."""
    return [{f.subject: f.answer for f in r.facts} for r in relations().values() if is_listed(r)]


def right(model, shots: Sequence[FewShotPrompts], answers: Sequence[str] | None = None) -> Tensor:
    """1 where the likeliest token after each prompt is its answer's first one (or of the given answers), else 0."""
    answers = [f" {one.answer}" for one in shots] if answers is None else [f" {text}" for text in answers]
    return top1_correct(model, [one.prompt for one in shots], answers)


def as_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list as a pair with itself, for runs that need no corrupt prompt."""
    prompts, answers = [one.prompt for one in shots], [f" {one.answer}" for one in shots]
    return PromptPairs.from_prompts(model, prompts, prompts, answers, answers, first_token=True, alike=True)


def few_shot_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list beside one of the same format in which all words are others: its lines, its question, its answer.

    With lines, the other list is of a relation drawn from all, so mostly another one (novel lists: of other words);
    without, another subject of the same relation is asked. Key for key and value for value the two have as many
    tokens. Lists that find no partner are left out.

    Raises:
        ValueError: if no list finds a partner.
    """
    rows, size = [], cache(lambda text: len(answer_ids(model.tokenizer, "a", f" {text}")))  # within a text
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(0, "partner", number, one.prompt))
        others = (other for other in _candidates(one, shots, size, rng) if _fits(model.tokenizer, one, other))
        if other := next(others, None):
            rows.append((one.prompt, other.prompt, f" {one.answer}", f" {other.answer}"))
    if not rows:
        raise ValueError("no list has a partner of other words; give more lists")
    return PromptPairs.from_prompts(model, *map(list, zip(*rows, strict=True)), first_token=True)


def _candidates(
    one: FewShotPrompts, shots: Sequence[FewShotPrompts], size: Size, rng: random.Random
) -> Iterator[FewShotPrompts]:
    """Lists that may be the partner of one: other questions, other novel lists, or lines of another relation."""
    if not one.lines or any(key == one.query for key, _ in one.lines):
        yield from (replace(s, style=one.style) for s in rng.sample(list(shots), len(shots)))
        return
    tables = listed_tables()
    for table in rng.sample(tables, len(tables)):
        other = _drawn(one, table, size, rng)
        if other:
            yield other


def _drawn(one: FewShotPrompts, table: Mapping[str, str], size: Size, rng: random.Random) -> FewShotPrompts | None:
    """Lines and a question of one relation with as many tokens each; only the answer may have any number."""
    chosen: list[Line] = []
    barred = {one.query, *(key for key, _ in one.lines)}
    for key, value in (*one.lines, (one.query, None)):
        pool = [line for line in table.items() if line[0] not in barred and size(line[0]) == size(key)]
        pool = [line for line in pool if value is None or size(line[1]) == size(value)]
        if not pool:
            return None
        chosen.append(rng.choice(pool))
        barred.add(chosen[-1][0])
    (query, answer), lines = chosen[-1], tuple(chosen[:-1])
    return FewShotPrompts(lines, query, answer, one.style)


def _fits(tokenizer, one: FewShotPrompts, other: FewShotPrompts) -> bool:
    firsts = [answer_ids(tokenizer, s.prompt, f" {s.answer}")[0] for s in (one, other)]
    return firsts[0] != firsts[1] and part_names(tokenizer, one) == part_names(tokenizer, other)
