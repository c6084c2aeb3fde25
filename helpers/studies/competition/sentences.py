"""A false sentence before a question, once or several times: the dose of repetition, in any language model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.models.network import read_network
from helpers.models.predict import answer_ids, logits_after, prompt_ids
from helpers.prompts.facts import known_facts, split_of
from helpers.prompts.relations import Fact, Relation, Split, relation, stable_hash
from helpers.studies.competition.conflicts import Ids, KnowledgeConflicts, conflicts_of, two_values

DOSES = (0, 1, 2, 4, 8)
FACTS = 24  # of each relation, of those that the model knows


def told(prompt: str, value: str, times: int, about: str | None = None) -> str:
    """``The capital of France is London. The capital of France is``: a false sentence so many times, then the question.

    Args:
        about: the beginning of the false sentence, where it is about another subject than the question.
    """
    return f"{about or prompt} {value}. " * times + prompt


def values_of(model, asked: Relation) -> dict[str, Ids]:
    """The tokens of each answer of a relation, as they stand after its first template."""
    prompt = asked.prompt(asked.facts[0])
    return {answer: tuple(answer_ids(model.tokenizer, prompt, f" {answer}")) for answer in asked.answers}


def who_wins(memory: int, copy: int, said: int) -> str:
    """Which of two tokens the model says."""
    return {memory: "memory", copy: "copy"}.get(said, "neither")


def dose_rows(
    model, relation_or_name: Relation | str, doses: Sequence[int] = DOSES, n: int = FACTS, seed: int = 0
) -> Iterator[dict[str, object]]:
    """Known facts, each with one false answer that is told 0, 1, 2, ... times: of its own subject, and of another one.

    Yields:
        ``relation, subject, about`` (whose the false sentence is: ``"itself"`` or ``"another"``), ``times, gap`` (the
        memorised answer's logit minus the false one's) and ``says`` (``"memory"``, ``"copy"`` or ``"neither"``).
    """
    asked, rng = relation(relation_or_name), random.Random(seed)
    facts, values = known_facts(model, asked, None, 0), values_of(model, asked)
    rng.shuffle(facts)
    rows = []
    for fact in facts[:n]:
        rivals = [g for g in facts if values[g.answer][0] != values[fact.answer][0]]
        free = [v for v, ids in values.items() if ids[0] != values[fact.answer][0]]
        value, other = rng.choice(free), asked.prompt(rng.choice(rivals))
        for about, words in (("itself", None), ("another", other)):
            for times in doses:
                rows.append((fact, value, about, times, told(asked.prompt(fact), value, times, words)))
    logits = logits_after(read_network(model), [prompt_ids(model.tokenizer, row[-1]) for row in rows])[:, 0]
    for (fact, value, about, times, _), each in zip(rows, logits, strict=True):
        memory, copy = values[fact.answer][0], values[value][0]
        row = dict(relation=asked.name, subject=fact.subject, about=about, times=times)
        yield row | dict(gap=float(each[memory] - each[copy]), says=who_wins(memory, copy, int(each.argmax())))


def sentence_conflicts(
    model, relation_or_name: Relation | str, n: int, *, times: int = 1, seed: int = 0, split: Split = "train"
) -> KnowledgeConflicts:
    """A memorised fact (first) against a copy of a false sentence (second), in sentences (`conflicts.fact_conflicts`).

    Each known subject stands once; there are at most ``n`` conflicts. Columns of ``about``: ``subject, repeated``.

    Raises:
        ValueError: if no two prompts are equally long.
    """
    asked = relation(relation_or_name)
    rng, values = random.Random(stable_hash(seed, "sentences", asked.name, split)), values_of(model, asked)
    facts = known_facts(model, asked, [fact for fact in asked.facts if split_of(fact) == split], 0)
    rng.shuffle(facts)
    rows, firsts, seconds, about = [], [], [], []
    for fact in facts:
        row, value = _row(model, asked, fact, facts, values, rng, times)
        if row and len(rows) < n:
            rows.append(row), about.append({"subject": fact.subject, "repeated": times})
            firsts.append(values[fact.answer][0]), seconds.append(value[0])
    if not rows:
        raise ValueError(f"{asked.name} has no two subjects of equal length in the {split} half")
    return conflicts_of(model, rows, firsts, seconds, about)


def _row(
    model, asked: Relation, fact: Fact, facts: Sequence[Fact], values: dict[str, Ids], rng: random.Random, times: int
) -> tuple[tuple[Ids, Ids, Ids, Ids] | None, Ids]:
    """The four prompts about a fact and one of equal length, and the value that is told; ``None`` if there is none."""
    size = {f: len(prompt_ids(model.tokenizer, asked.prompt(f))) for f in facts}
    others = [g for g in facts if size[g] == size[fact] and values[g.answer][0] != values[fact.answer][0]]
    if not others:
        return None, ()
    other = rng.choice(others)
    value, replaced = two_values(rng, list(values.values()), {values[fact.answer][0], values[other.answer][0]})
    words = {ids: answer for answer, ids in values.items()}
    row = tuple(
        tuple(prompt_ids(model.tokenizer, told(asked.prompt(s), words[v], times)))
        for s, v in ((fact, value), (fact, replaced), (other, value), (other, replaced))
    )
    return (row if len({len(ids) for ids in row}) == 1 else None), value


def dose_table(model, name: str, relations: Sequence[str]) -> pd.DataFrame:
    """The rows of several relations, with the model's name."""
    rows = [row for each in relations for row in dose_rows(model, each)]
    return pd.DataFrame(rows).assign(model=name)
