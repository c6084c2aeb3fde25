"""Lists of demonstrations and a query: few-shot prompts, their parts, and demonstrations that mislead.

A list names no relation; its demonstrations, each an input and its label, do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from helpers.atlas import lists
from helpers.atlas.corpus import held_out_format, is_listed
from helpers.atlas.skills import Draw
from helpers.models.predict import prompt_ids, top1_correct
from helpers.prompts.facts import split_of
from helpers.prompts.relations import Relation, relation, relations, stable_hash

Demonstration = tuple[str, str]  # an input and its label
Wrong = Literal["shuffled", "other relation", "answered wrongly"]


@dataclass(frozen=True)
class FewShotPrompts:
    """A list's demonstrations, the input that is asked, its answer, and the format (`LIST_FORMATS`)."""

    demonstrations: tuple[Demonstration, ...]
    query: str
    answer: str
    style: str

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The prompt's pieces with the name of each part, to be joined by spaces."""
        before, _, after = {**lists.LIST_FORMATS, **lists.UNTAUGHT_FORMATS}[self.style]
        left, right = (part.strip() for part in before.split("{}"))
        found = []
        for shown, label in self.demonstrations:
            found += [(left, "delimiter"), (shown, "input"), (right, "delimiter"), (label, "label")]
            found += [(after.strip(), "separator")]
        found += [(left, "end"), (self.query, "query"), (right, "end")]
        return [(text, part) for text, part in found if text]

    @property
    def prompt(self) -> str:
        """The text, ready for the answer."""
        return " ".join(text for text, _ in self.pieces)

    def without_demonstrations(self) -> FewShotPrompts:
        """The same query with nothing before it."""
        return replace(self, demonstrations=())


def part_names(tokenizer, shots: FewShotPrompts) -> list[str]:
    """The part that each token of the prompt belongs to, BOS included (``"first"``).

    ``input, delimiter, label, separator`` are of the demonstrations; ``query`` is the asked input, ``end`` its
    delimiters.

    Raises:
        ValueError: if two parts share a token.
    """
    names, text = ["first"], ""
    for piece, part in shots.pieces:
        text = f"{text} {piece}".strip()
        names += [part] * (len(prompt_ids(tokenizer, text)) - len(names))
    if len(names) != len(prompt_ids(tokenizer, shots.prompt)):
        raise ValueError(f"parts of {shots.prompt!r} share tokens; choose a format whose delimiters are tokens")
    return names


def tokens_of(model, shots: FewShotPrompts) -> Int[Tensor, "1 pos"]:
    """The tokens of one list, as a batch of one."""
    return torch.tensor([prompt_ids(model.tokenizer, shots.prompt)], device=model.W_E.device)


def few_shot_prompts(
    relation_or_name: Relation | str,
    n: int,
    demonstrations: int = 4,
    seed: int = 0,
    split: Literal["train", "test"] = "test",
    *,
    style: str | None = None,
) -> list[FewShotPrompts]:
    """Queries of a relation, each after demonstrations of the same relation; never the asked fact among them.

    Each fact is asked once before one is asked twice.

    Args:
        demonstrations: how many stand before the query.
        split: which half of the facts the queries and the demonstrations are from (`split_of`).
        style: a format; by default the one in which training never listed the asked fact.

    Raises:
        ValueError: if the half has too few facts for so many demonstrations.
    """
    asked = relation(relation_or_name)
    facts = [f for f in asked.facts if split_of(f) == split]
    if len(facts) <= demonstrations:
        raise ValueError(
            f"{asked.name} has {len(facts)} facts in the {split} half: too few for {demonstrations} before one"
        )
    rng, order = random.Random(stable_hash(seed, "few-shot", asked.name, split, demonstrations)), []
    while len(order) < n:
        order += rng.sample(facts, len(facts))
    result = []
    for fact in order[:n]:
        shown = rng.sample([f for f in facts if f.subject != fact.subject], demonstrations)
        shown = tuple((f.subject, f.answer) for f in shown)
        result.append(FewShotPrompts(shown, fact.subject, fact.answer, style or held_out_format(fact)))
    return result


def copy_demonstrations(n: int, demonstrations: int = 4) -> list[FewShotPrompts]:
    """Lists of pairs made on the spot, one of whose inputs is asked again: nothing to recall, only to copy.

    Raises:
        ValueError: without any demonstration.
    """
    if demonstrations < 1:
        raise ValueError(f"a novel list needs a demonstration to copy from, not {demonstrations}")
    draw, result = Draw(stable_hash(0, "novel lines", demonstrations)), []
    for _ in range(n):
        pairs = lists.novel_pairs(draw, demonstrations)
        query, answer = draw.choice(pairs)
        result.append(FewShotPrompts(tuple(pairs), query, answer, draw.choice(sorted(lists.LIST_FORMATS))))
    return result


def corrupted_demonstrations(shots: Sequence[FewShotPrompts], kind: str) -> tuple[list[FewShotPrompts], list[str]]:
    """The same queries after wrong demonstrations, and the answer that those suggest.

    - ``"shuffled"``: the labels change places, so that none stays where it was (where they differ). They suggest any
      label that is shown; given is the first.
    - ``"other relation"``: the labels are those that another relation gives the same inputs, and suggest what it gives
      the query. Queries whose inputs no other relation knows are left out.
    - ``"answered wrongly"``: the first demonstration shows the query itself, with the label of the last one.

    Returns:
        The queries that could be misled, their right answers unchanged, and what is suggested.

    Raises:
        ValueError: for an unknown kind, or lists of too few demonstrations.
    """
    if kind not in get_args(Wrong):
        raise ValueError(f"unknown kind {kind!r}; choose from {', '.join(get_args(Wrong))}")
    needed = 2 if kind == "shuffled" else 1
    if any(len(one.demonstrations) < needed for one in shots):
        raise ValueError(f"{kind!r} needs lists of at least {needed} demonstrations")
    found = []
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(0, kind, number, one.prompt))
        inputs, labels = (list(column) for column in zip(*one.demonstrations, strict=True))
        if kind == "shuffled":
            moved = labels[1:] + labels[:1]
            found.append((replace(one, demonstrations=tuple(zip(inputs, moved, strict=True))), moved[0]))
        elif kind == "answered wrongly":
            wrong = ((one.query, labels[-1]), *one.demonstrations[1:])
            if labels[-1] != one.answer:
                found.append((replace(one, demonstrations=wrong), labels[-1]))
        else:
            others = [table for table in listed_tables() if all(k in table for k in (*inputs, one.query))]
            others = [t for t in others if t[one.query] != one.answer and any(t[k] != v for k, v in one.demonstrations)]
            if others:
                table = rng.choice(others)
                shown = tuple((k, table[k]) for k in inputs)
                found.append((replace(one, demonstrations=shown), table[one.query]))
    return [one for one, _ in found], [text for _, text in found]


@cache
def listed_tables() -> list[dict[str, str]]:
    """Input and label of each relation that lists of the corpus show."""
    return [{f.subject: f.answer for f in r.facts} for r in relations().values() if is_listed(r)]


def right(model, shots: Sequence[FewShotPrompts], answers: Sequence[str] | None = None) -> Tensor:
    """1 where the likeliest token after each prompt is its answer's first one (or of the given answers), else 0."""
    answers = [f" {one.answer}" for one in shots] if answers is None else [f" {text}" for text in answers]
    return top1_correct(model, [one.prompt for one in shots], answers)
