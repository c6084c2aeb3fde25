"""Facts that a model knows, and pairs of them: relations as prompt pairs for circuit work."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated

from pydantic import Field

from helpers.checks import Amount, Count, Model, Whole, checked
from helpers.models.network import read_network
from helpers.models.predict import answer_ids, prompt_ids, says, token_span
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, Relation, Split, relation, stable_hash, taught_paraphrases

Names = Annotated[Sequence[str], Field(min_length=1)]


def split_of(fact: Fact) -> Split:
    """To which half of its relation a fact belongs: circuits are found on one half and judged on the other."""
    return "test" if stable_hash("pairs", fact.relation, fact.subject) % 2 else "train"


@checked
def known_facts(
    model: Model, asked: Relation, facts: Sequence[Fact] | None = None, paraphrase: Amount | None = None
) -> list[Fact]:
    """The facts whose answer the model, without hooks, says (by default in each one's first taught wording).

    It has to say it up to where it parts from every other answer of the relation (`helpers.models.predict.says`): two
    may begin with the same token. A fact isn't known if it can't be asked (`answer_row`).
    """
    facts = asked.facts if facts is None else facts
    chosen = [taught_paraphrases(asked, f)[0] if paraphrase is None else paraphrase for f in facts]
    prompts = [asked.prompt(f, p) for f, p in zip(facts, chosen, strict=True)]
    rows = [answer_row(model, text, fact.answer) for text, fact in zip(prompts, facts, strict=True)]
    rivals = [answer_row(model, asked.templates[0].replace("{}", "it"), answer) for answer in asked.answers]
    able = [i for i, row in enumerate(rows) if row]
    asked_for = [prompts[i] for i in able], [rows[i] for i in able]
    said = says(read_network(model), model.tokenizer, *asked_for, rivals=filter(None, rivals))
    return [facts[i] for i, right in zip(able, said.tolist(), strict=True) if right]


def answer_row(model, prompt: str, answer: str) -> list[int]:
    """The ids of an answer after a prompt; none if it begins no token of its own there, or the context is too short."""
    try:
        row = answer_ids(model.tokenizer, prompt, f" {answer}")
    except ValueError:
        return []
    return row if len(prompt_ids(model.tokenizer, prompt)) + len(row) <= model.cfg.n_ctx else []


class TooFewPairs(ValueError):
    """A relation of which a model knows too little, or which has too few facts: no mistake in the question."""


@checked
def relation_pairs(
    model: Model,
    relation_or_name: Relation | str,
    n: Count,
    seed: Whole = 0,
    split: Split = "train",
    *,
    paraphrase: Amount = 0,
    known: bool = True,
) -> PromptPairs:
    """Pairs of a relation: each fact beside another of the same relation, whose subject has as many tokens.

    Every fact comes once before one comes twice; then it has another partner. Partners have other subjects, and neither
    answer is right for both. Answers stand for their first tokens, which differ in a pair and aren't lone spaces.

    Args:
        relation_or_name: a relation of the book, or one read by `helpers.read_relation`.
        split: facts of this half only, so no subject of one split appears in the other, clean or corrupt.
        paraphrase: which template of the relation asks.
        known: only facts that the model knows (`known_facts`).

    Raises:
        TooFewPairs: (a ValueError) if there aren't so many pairs; the message says how many there are.
        ValueError: for a relation or a paraphrase that doesn't exist, or an argument of another kind.
    """
    asked = relation(relation_or_name)
    facts, couples = _couples(model, asked, seed, split, paraphrase, known)
    if n > len(couples):
        raise TooFewPairs(
            f"{asked.name} has {len(couples)} pairs of {len(facts)} facts in the {split} half"
            f"{' that the model knows' if known else ''}, not {n}; ask for fewer, or choose another model"
        )
    return fact_pairs(model, asked, [(*two, paraphrase) for two in couples[:n]])


def _couples(
    model, asked: Relation, seed: int, split: str, paraphrase: int, known: bool
) -> tuple[list[Fact], list[tuple[Fact, Fact]]]:
    """The facts of one half, and all couples of them that can be pairs: each fact once, then each once more, ..."""
    facts = [f for f in asked.facts if split_of(f) == split]
    if known:
        facts = known_facts(model, asked, facts, paraphrase)
    tokenizer, right, about = model.tokenizer, {(f.subject, f.answer) for f in asked.facts}, {}
    for fact in facts:
        prompt = asked.prompt(fact, paraphrase)
        first = answer_row(model, prompt, fact.answer)[:1]
        if first and tokenizer.decode(first).strip():
            span = token_span(tokenizer, prompt, asked.place(fact, paraphrase))
            about[fact] = (len(prompt_ids(tokenizer, prompt)), span.start, span.stop), first
    facts = list(about)
    rng = random.Random(stable_hash(seed, asked.name, split))
    rng.shuffle(facts)

    def fits(f: Fact, g: Fact) -> bool:
        (place, first), (other_place, other_first) = about[f], about[g]
        alike = (f.subject, g.answer) in right or (g.subject, f.answer) in right
        return place == other_place and first != other_first and f.subject != g.subject and not alike

    fitting = [[g for g in facts if fits(f, g)] for f in facts]
    turns = zip_longest(*(reversed(rng.sample(others, len(others))) for others in fitting))
    return facts, [(f, other) for turn in turns for f, other in zip(facts, turn, strict=True) if other]


def fact_pairs(model, asked: Relation, rows: Sequence[tuple[Fact, Fact, int]]) -> PromptPairs:
    """Pairs of facts of a relation: each row has a fact, another beside it, and the paraphrase that asks for both."""
    clean, corrupt = ([asked.prompt(row[side], row[2]) for row in rows] for side in (0, 1))
    answers, wrong = ([f" {row[side].answer}" for row in rows] for side in (0, 1))
    pairs = PromptPairs.from_prompts(model, clean, corrupt, answers, wrong, first_token=True)
    spans = [token_span(model.tokenizer, text, asked.place(*row[::2])) for text, row in zip(clean, rows, strict=True)]
    return replace(pairs, subjects=tuple(spans))


@checked
def known_relations(model: Model, names: Names, n: Count, *, split: Split = "train") -> list[str]:
    """Those relations of which a model knows enough for ``n`` pairs of one half.

    A model that never read this book's world knows nothing of its invented people.

    Raises:
        ValueError: if none is left, or for an unknown relation.
    """
    tables = {name: relation(name) for name in names}
    kept = [name for name in names if len(_couples(model, tables[name], 0, split, 0, known=True)[1]) >= n]
    if not kept:
        raise ValueError(
            f"the model knows none of {', '.join(names)} well enough for {n} pairs; choose other relations or models"
        )
    return kept
