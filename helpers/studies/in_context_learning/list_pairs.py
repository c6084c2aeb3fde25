"""Pairs of lists for circuits: what the corrupt list changes, its query alone or everything, decides what is found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from helpers.models.predict import answer_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import stable_hash
from helpers.studies.in_context_learning.few_shot import Demonstration, FewShotPrompts, listed_tables, part_names

Size = Callable[[str], int]  # a word's number of tokens


def as_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list as a pair with itself, for runs that need no corrupt prompt."""
    prompts, answers = [one.prompt for one in shots], [f" {one.answer}" for one in shots]
    return PromptPairs.from_prompts(model, prompts, prompts, answers, answers, first_token=True, alike=True)


def few_shot_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list beside one of the same format in which all words are others: demonstrations, query and answer.

    With demonstrations, the other list is of a relation drawn from all, so mostly another one (novel lists: of other
    words); without, another subject of the same relation is asked. Input for input and label for label the two have as
    many tokens. Lists that find no partner are left out.

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


def query_pairs(model, shots: Sequence[FewShotPrompts]) -> PromptPairs:
    """Each list beside itself with another query of the same relation, of as many tokens; the demonstrations stay.

    Raises:
        ValueError: if no list finds such a query.
    """
    rows = []
    for number, one in enumerate(shots):
        rng = random.Random(stable_hash(0, "query", number, one.prompt))
        others = (replace(one, query=s.query, answer=s.answer) for s in rng.sample(list(shots), len(shots)))
        shown = {text for text, _ in one.demonstrations}
        fitting = (other for other in others if other.query not in shown and _fits(model.tokenizer, one, other))
        if other := next(fitting, None):
            rows.append((one.prompt, other.prompt, f" {one.answer}", f" {other.answer}"))
    if not rows:
        raise ValueError("no list has a query of as many tokens to change places with; give more lists")
    return PromptPairs.from_prompts(model, *map(list, zip(*rows, strict=True)), first_token=True)


def _candidates(
    one: FewShotPrompts, shots: Sequence[FewShotPrompts], size: Size, rng: random.Random
) -> Iterator[FewShotPrompts]:
    """Lists that may be the partner of one: other queries, other novel lists, or demonstrations of another relation."""
    if not one.demonstrations or any(shown == one.query for shown, _ in one.demonstrations):
        yield from (replace(s, style=one.style) for s in rng.sample(list(shots), len(shots)))
        return
    tables = listed_tables()
    for table in rng.sample(tables, len(tables)):
        other = _drawn(one, table, size, rng)
        if other:
            yield other


def _drawn(one: FewShotPrompts, table: Mapping[str, str], size: Size, rng: random.Random) -> FewShotPrompts | None:
    """Demonstrations and a query of one relation with as many tokens each; only the answer may have any number."""
    chosen: list[Demonstration] = []
    barred = {one.query, *(shown for shown, _ in one.demonstrations)}
    for key, value in (*one.demonstrations, (one.query, None)):
        pool = [line for line in table.items() if line[0] not in barred and size(line[0]) == size(key)]
        pool = [line for line in pool if value is None or size(line[1]) == size(value)]
        if not pool:
            return None
        chosen.append(rng.choice(pool))
        barred.add(chosen[-1][0])
    (query, answer), shown = chosen[-1], tuple(chosen[:-1])
    return FewShotPrompts(shown, query, answer, one.style)


def _fits(tokenizer, one: FewShotPrompts, other: FewShotPrompts) -> bool:
    firsts = [answer_ids(tokenizer, s.prompt, f" {s.answer}")[0] for s in (one, other)]
    return firsts[0] != firsts[1] and part_names(tokenizer, one) == part_names(tokenizer, other)
