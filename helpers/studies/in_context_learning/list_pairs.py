"""Pairs of few-shot lists: each list beside another of the same shape, token for token."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from helpers.models.predict import answer_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import stable_hash
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, Line, listed_tables, part_names, right

Size = Callable[[str], int]  # a word's number of tokens


def as_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list as a pair with itself, for runs that need no corrupt prompt."""
    prompts, answers = [one.prompt for one in shots], [f" {one.answer}" for one in shots]
    return PromptPairs.from_prompts(model, prompts, prompts, answers, answers, first_token=True)


def few_shot_pairs(model, shots: Sequence[FewShotPrompts], seed: int = 0, *, known: bool = True) -> PromptPairs:
    """Each list beside one of the same format in which all words are others: its lines, its question, its answer.

    With lines, the other list is of a relation drawn from all, so mostly another one (novel lists: of other words);
    without, another subject of the same relation is asked. Key for key and value for value the two have as many
    tokens. Lists that find no partner are left out.

    Args:
        known: only lists that the model answers rightly.

    Raises:
        ValueError: if no list finds a partner.
    """
    rows, size = [], cache(partial(word_size, model.tokenizer))
    kept = right(model, shots).bool().tolist() if known else [True] * len(shots)
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(seed, "partner", number, one.prompt))
        others = _candidates(one, shots, size, rng) if kept[number] else ()
        other = next((other for other in others if _fits(model.tokenizer, one, other)), None)
        if other is not None:
            rows.append((one.prompt, other.prompt, f" {one.answer}", f" {other.answer}"))
    if not rows:
        raise ValueError("no list has a partner of other words; give more lists, or known=False")
    return PromptPairs.from_prompts(model, *map(list, zip(*rows, strict=True)), first_token=True)


def word_size(tokenizer, text: str) -> int:
    """The tokens of a key or a value, as it stands within a text."""
    return len(answer_ids(tokenizer, "a", f" {text}"))


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
