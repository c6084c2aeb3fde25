"""Prompts in which two continuations are supported at once, and what is left when one support is taken away.

Two things in a prompt are exchanged independently: what supports the first continuation, and what supports the second.
An exchanged support speaks for some third token, so all prompts of a conflict are equally long and equally normal.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from helpers.atlas import skills
from helpers.atlas.skills import FIRST_WORD, Draw
from helpers.models.predict import answer_ids, prompt_ids
from helpers.prompts.facts import known_facts, split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, relation, stable_hash

BETWEEN = 2  # random tokens between the two occurrences of a repeated part
TRIES = 200  # draws for each conflict that is wanted, until names of equal length are given up
Ids = tuple[int, ...]


@dataclass(frozen=True)
class KnowledgeConflicts:
    """Prompts of conflicts as three sets of pairs, row by row about the same one; corrupt prompts lack both supports.

    ``both`` holds both supports; its answer is the first continuation, its wrong answer the second, so its logit
    difference is positive where the first wins. ``first`` holds only the first support, with the same answers.
    ``second`` holds only the second support; there the second continuation is the answer, the first one wrong.
    ``about`` has a row for each conflict.
    """

    both: PromptPairs
    first: PromptPairs
    second: PromptPairs
    about: pd.DataFrame

    def __len__(self) -> int:
        return len(self.both)

    def select(self, index: Sequence[int]) -> KnowledgeConflicts:
        """The conflicts at the given places, in that order."""
        chosen = [int(i) for i in index]
        parts = (pairs.select(chosen) for pairs in (self.both, self.first, self.second))
        return KnowledgeConflicts(*parts, self.about.iloc[chosen].reset_index(drop=True))


def conflicts_of(
    model, rows: list[tuple[Ids, Ids, Ids, Ids]], firsts: list[int], seconds: list[int], about
) -> KnowledgeConflicts:
    """From rows of the prompts (both, first only, second only, neither) and the two continuations' tokens."""
    both, first, second, neither = zip(*rows, strict=True)
    return KnowledgeConflicts(
        PromptPairs.from_tokens(model, both, neither, firsts, seconds),
        PromptPairs.from_tokens(model, first, neither, firsts, seconds),
        PromptPairs.from_tokens(model, second, neither, seconds, firsts),
        pd.DataFrame(about),
    )


def fact_conflicts(
    model,
    relation_or_name: Relation | str,
    n: int,
    *,
    repeated: Sequence[int] = (4, 8),
    seed: int = 0,
    split: skills.Split = "train",
    known: bool = True,
) -> KnowledgeConflicts:
    """A memorised fact (first) against a copy from the context (second).

    ``BOS x1 ... xm The capital of France is Oslo y1 y2 x1 ... xm The capital of France is``: the weights say Paris, the
    repetition says Oslo. Without the first support both mentions are of another subject; without the second, the
    context states another value. The random tokens that are repeated before the fact set how strongly copying is
    invited. Columns of ``about``: ``subject, exposures, group, repeated``.

    Args:
        repeated: numbers of random tokens to choose from.
        split: subjects of this half only (see `helpers.relation_pairs`), in all prompts of a conflict.
        known: only facts whose answer the model puts first when it is asked without a context.

    Raises:
        ValueError: if no subject has another one of equal length beside it, or there are too few different answers.
    """
    asked = relation(relation_or_name)
    rng, tokenizer = random.Random(stable_hash(seed, "fact contest", asked.name, split)), model.tokenizer
    facts = [fact for fact in asked.facts if split_of(fact) == split]
    prompts = {fact: tuple(prompt_ids(tokenizer, asked.prompt(fact)))[1:] for fact in facts}
    values = {fact: tuple(answer_ids(tokenizer, asked.prompt(fact), f" {fact.answer}")) for fact in asked.facts}
    if known:
        facts = known_facts(model, asked, facts, 0)
    rng.shuffle(facts)
    partners = {
        f: [g for g in facts if len(prompts[f]) == len(prompts[g]) and values[f][0] != values[g][0]] for f in facts
    }
    facts = [fact for fact in facts if partners[fact]]
    if not facts:
        known_ones = " that the model knows" if known else ""
        raise ValueError(
            f"{asked.name} has no two subjects of equal length{known_ones} in the {split} half; try another relation"
        )
    rows, firsts, seconds, about = [], [], [], []
    for number in range(n):
        fact = facts[number % len(facts)]
        other, m = rng.choice(partners[fact]), rng.choice(repeated)
        value, replaced = two_values(rng, list(values.values()), {values[fact][0], values[other][0]})
        before, between = (rng.sample(range(FIRST_WORD, model.cfg.d_vocab), k) for k in (m, BETWEEN))
        rows.append(
            tuple(
                (tokenizer.bos_token_id, *before, *prompts[s], *v, *between, *before, *prompts[s])
                for s, v in ((fact, value), (fact, replaced), (other, value), (other, replaced))
            )
        )
        firsts.append(values[fact][0]), seconds.append(value[0])
        about.append({"subject": fact.subject, "exposures": fact.exposures, "group": fact.group, "repeated": m})
    return conflicts_of(model, rows, firsts, seconds, about)


def two_values(rng: random.Random, values: list[Ids], taken: set[int]) -> tuple[Ids, Ids]:
    """Two values of equal length, with first tokens that differ from each other and from those that are taken."""
    free = [value for value in values if value[0] not in taken]
    if not any(len(one) == len(two) and one[0] != two[0] for one, two in combinations(free, 2)):
        raise ValueError("the relation has too few different answers of equal length for a conflict; it needs four")
    while True:
        one, two = rng.sample(values, 2)
        if len(one) == len(two) and one[0] != two[0] and not {one[0], two[0]} & taken:
            return one, two


def name_conflicts(
    model, n: int, *, repeated: Sequence[int] = (0, 4, 8), seed: int = 0, split: skills.Split = "test"
) -> KnowledgeConflicts:
    """The indirect object (first) against a copy from the context (second).

    ``BOS x1 ... xm John gave the drink to Anna. When Mary and John went to the store, x1 ... xm John gave the drink
    to``: the sentence says Mary, the repetition says Anna. Each support is taken away by another name in its place.
    ``about`` has the column ``repeated``.

    Args:
        repeated: numbers of random tokens to choose from, said before both occurrences of the repeated part.
        split: names, objects and their combinations of this part only.

    Raises:
        ValueError: if the tokenizer splits nearly all names, so that too few conflicts have prompts of equal length.
    """
    number = stable_hash(seed, "name contest", split)
    draw, rng, tokenizer = Draw(number), random.Random(number), model.tokenizer
    rows, firsts, seconds, about = [], [], [], []
    for _ in range(TRIES * n):
        example = skills.indirect_object(draw, split)
        name, subject = example.answer.strip(), example.wrong[0].strip()
        others = [other for other in skills.skill_words()["names"] if other not in (name, subject)]
        value, replaced, stranger = rng.sample(others, 3)
        head, tail = example.prompt.rsplit(subject, 1)
        m = rng.choice(repeated)
        before = rng.sample(range(FIRST_WORD, model.cfg.d_vocab), m)
        row = tuple(
            (
                tokenizer.bos_token_id,
                *before,
                *tokenizer.encode(f"{subject}{tail} {said}.", add_special_tokens=False),
                *tokenizer.encode(head.replace(name, present), add_special_tokens=False),
                *before,
                *tokenizer.encode(f"{subject}{tail}", add_special_tokens=False),
            )
            for present, said in ((name, value), (name, replaced), (stranger, value), (stranger, replaced))
        )
        if len({len(ids) for ids in row}) > 1:
            continue  # names of unequal length
        rows.append(row), about.append({"repeated": m})
        firsts.append(answer_ids(tokenizer, example.prompt, f" {name}")[0])
        seconds.append(answer_ids(tokenizer, example.prompt, f" {value}")[0])
        if len(rows) == n:
            return conflicts_of(model, rows, firsts, seconds, about)
    raise ValueError(f"of {TRIES * n} draws {len(rows)} have names of equal length: the tokenizer splits names")


def taught_conflicts(
    model,
    relation_or_name: Relation | str,
    n: int,
    *,
    paraphrase: int = 0,
    seed: int = 0,
    split: skills.Split = "train",
) -> KnowledgeConflicts:
    """Two conflicting facts about one subject: the first was taught in the share ``told``, the second in the rest.

    There are at most ``n`` conflicts, fewer if the relation hasn't so many.

    No prompt supports only one of them, so here ``first`` and ``second`` have the same clean prompts as ``both``, and
    ask another question: the answer of one kind against the same kind's answer of the corrupt prompt's subject.
    Which of the two taught answers is called first is drawn. Columns of ``about``: ``subject, group, told``.

    Raises:
        ValueError: if the relation has no conflicting facts, or no two of equal length.
    """
    asked = relation(relation_or_name)
    rng, tokenizer = random.Random(stable_hash(seed, "conflict", asked.name, split)), model.tokenizer
    facts = [fact for fact in asked.facts if fact.other and split_of(fact) == split]
    prompts = {fact: tuple(prompt_ids(tokenizer, asked.prompt(fact, paraphrase))) for fact in facts}
    said = {}
    for fact in facts:
        two = [answer_ids(tokenizer, asked.prompt(fact), f" {text}")[0] for text in (fact.answer, fact.other)]
        said[fact] = (two, fact.rate) if rng.random() < 0.5 else (two[::-1], 1 - fact.rate)
    rng.shuffle(facts)
    chosen = []
    for fact in facts:
        mine = set(said[fact][0])
        others = [g for g in facts if len(prompts[g]) == len(prompts[fact]) and not mine & set(said[g][0])]
        if others and len(mine) == 2:
            chosen.append((fact, rng.choice(others)))
    if not chosen:
        raise ValueError(f"{asked.name} has no conflicting facts with a partner in the {split} half")
    chosen = chosen[:n]
    clean, corrupt = ([prompts[pair[i]] for pair in chosen] for i in (0, 1))
    first, second = ([said[fact][0][i] for fact, _ in chosen] for i in (0, 1))
    other_first, other_second = ([said[other][0][i] for _, other in chosen] for i in (0, 1))
    about = [{"subject": fact.subject, "group": fact.group, "told": said[fact][1]} for fact, _ in chosen]
    return KnowledgeConflicts(
        PromptPairs.from_tokens(model, clean, corrupt, first, second),
        PromptPairs.from_tokens(model, clean, corrupt, first, other_first),
        PromptPairs.from_tokens(model, clean, corrupt, second, other_second),
        pd.DataFrame(about),
    )
