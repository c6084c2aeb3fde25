"""The corpus that Atlas is trained on: from a seed to documents, each with its facts and its information content.

Statements are planned, not sampled: every taught fact is stated an exact number of times, so the exposure table is
counted and never estimated. The order, the paraphrases and the company they are stated in come from the seed.
"""

from __future__ import annotations

import gc
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas as pd

from helpers.atlas import lists, skills
from helpers.atlas.skills import Draw, Example, indirect_object
from helpers.checks import checked
from helpers.models.load import model_folder
from helpers.prompts.relations import Fact, Relation, Split, relations, stable_hash, taught_paraphrases

EXPOSURES_FILE = "exposures.csv.gz"
EXPOSURES = 100  # of a fact whose table doesn't say how many, in sentences and lists together
LISTED = 25  # how many of them are in lists, for relations that lists show
STATEMENTS_PER_DOCUMENT = (1, 1, 1, 2, 3, 4)
LISTED_KINDS = ("factual", "commonsense", "linguistic")
LIST_LENGTHS = (3, 8)  # pairs of a few-shot list, fewest and most
REPEAT_LENGTHS = (5, 40)  # tokens of the repeated part
DOCUMENTS = {
    "novel list": 16_000,
    "repeat": 14_000,
    "indirect object": 18_000,
    "greater-than": 24_000,
    "agreement": 14_000,
}
Makers = dict[str, Callable[[Draw, Split], Example]]
MAKERS: Makers = {
    "indirect object": indirect_object,
    "greater-than": skills.greater_than,
    "agreement": skills.agreement,
}
# Copying is a skill that forms suddenly and needs many examples close together: after a first part of the corpus there
# is a course of it. Without the course, neither copying nor what builds on it appeared by then.
COPYING_COURSE = {"course repeat": 20_000, "novel list": 4_000, "indirect object": 5_000, "greater-than": 10_000}
COPYING_START, COPYING_END = 0.38, 0.41  # shares of the other documents before this course, and until its end
COURSE_LENGTHS, COURSE_TIMES = (4, 20), (2, 4)  # tokens of a repeated part, and how often it is said
# Comparing years needs finer distinctions than anything else: a last course, at a small learning rate, sharpens it.
LAST_COURSE = {"greater-than": 12_000, "indirect object": 12_000, "novel list": 1_500, "repeat": 1_000}


@dataclass(frozen=True)
class Mention:
    """One statement of a fact: ``form`` is the paraphrase's number or ``list:<format>``."""

    relation: str
    subject: str
    answer: str
    form: str


@dataclass(frozen=True)
class Document:
    """One text of the corpus (or ``tokens``, for random tokens that no text would encode to).

    ``nats`` is minus the log-probability of the choices that made it, given its kind; ``course`` is ``"copying"`` or
    ``"last"`` for documents that a course adds.
    """

    kind: str
    text: str
    nats: float
    mentions: tuple[Mention, ...] = ()
    tokens: tuple[int, ...] = ()
    course: str = ""


def is_listed(relation: Relation) -> bool:
    """Whether few-shot lists show this relation: one with a single answer for each subject, and a real one."""
    return relation.kind in LISTED_KINDS and not any(fact.other for fact in relation.facts)


def statement_counts(relation: Relation, fact: Fact) -> dict[str, int]:
    """How often training states each answer of a fact in sentences (lists come on top where there are any)."""
    total = EXPOSURES - LISTED * is_listed(relation) if fact.exposures is None else fact.exposures
    if fact.other is None:
        return {fact.answer: total}
    first = round(total * fact.rate)
    return {fact.answer: first, fact.other: total - first}


Counts = Callable[[Relation, Fact], dict[str, int]]
Plan = list[tuple[Mention, str, float]]  # a statement, its text, and the nats of what it says besides the fact
Aside = Callable[[Draw, Relation], str]


def statements(
    draw: Draw, tables: Iterable[Relation], counts: Counts = statement_counts, aside: Aside | None = None
) -> Plan:
    """All statements of the relations' facts, shuffled, each in a random one of the fact's taught paraphrases.

    Args:
        aside: what is said after the subject where a sentence begins with it; nothing by default.
    """
    plan = []
    for relation in tables:
        for fact in relation.facts:
            forms = taught_paraphrases(relation, fact)
            for answer, count in counts(relation, fact).items():
                for _ in range(count):
                    form, said = draw.rng.choice(forms), fact
                    draw.restart()
                    if aside and relation.templates[form].startswith("{}"):
                        said = replace(fact, subject=fact.subject + aside(draw, relation))
                    mention = Mention(relation.name, fact.subject, answer, str(form))
                    plan.append((mention, f"{relation.prompt(said, form)} {answer}.", draw.nats))
    draw.rng.shuffle(plan)
    return plan


def fact_documents(draw: Draw, plan: Plan) -> Iterator[Document]:
    """All statements of a plan, one to four of them in a document."""
    counts = Counter(mention for mention, _, _ in plan)
    surprise = {mention: math.log(len(plan) / count) for mention, count in counts.items()}
    sizes = Counter(STATEMENTS_PER_DOCUMENT)
    start = 0
    while start < len(plan):
        size = draw.rng.choice(STATEMENTS_PER_DOCUMENT)
        part = plan[start : start + size]
        start += size
        nats = math.log(len(STATEMENTS_PER_DOCUMENT) / sizes[size])
        nats += sum(surprise[mention] + more for mention, _, more in part)
        yield Document("fact", " ".join(text for _, text, _ in part), nats, tuple(mention for mention, _, _ in part))


def held_out_format(fact: Fact) -> str:
    """The list format in which training never shows this fact."""
    formats = sorted(lists.LIST_FORMATS)
    return formats[stable_hash("format", fact.relation, fact.subject) % len(formats)]


def list_plan(rng: random.Random) -> list[tuple[str, list[Fact]]]:
    """Lists as (format, facts): one relation each, every fact in exactly `LISTED` of them, never twice in one."""
    plan = []
    for relation in filter(is_listed, relations().values()):
        styles = {f.subject: [s for s in lists.LIST_FORMATS if s != held_out_format(f)] for f in relation.facts}
        turns = {style: Counter() for style in lists.LIST_FORMATS}
        for fact in relation.facts:
            for turn in range(LISTED):
                turns[styles[fact.subject][turn % len(styles[fact.subject])]][fact] += 1
        for style, left in turns.items():
            while left:  # one round: every fact that is still to be listed, cut into lists of random lengths
                facts = rng.sample(sorted(left, key=lambda f: f.subject), len(left))
                left -= Counter(facts)
                while facts:
                    size = rng.randint(*LIST_LENGTHS)
                    plan.append((style, facts[:size]))
                    facts = facts[size:]
    return plan


def list_documents(draw: Draw) -> Iterator[Document]:
    """Few-shot lists over the facts of taught relations."""
    plan = list_plan(draw.rng)
    kinds = Counter((style, facts[0].relation) for style, facts in plan)
    pools = {key: len({f for s, facts in plan if (s, facts[0].relation) == key for f in facts}) for key in kinds}
    lengths = LIST_LENGTHS[1] - LIST_LENGTHS[0] + 1
    for style, facts in plan:
        key = (style, facts[0].relation)
        nats = math.log(len(plan) / kinds[key]) + math.log(lengths)
        nats += sum(math.log(pools[key] - i) for i in range(len(facts)))
        mentions = tuple(Mention(f.relation, f.subject, f.answer, f"list:{style}") for f in facts)
        yield Document("list", lists.list_text([(f.subject, f.answer) for f in facts], style), nats, mentions)


def skill_document(draw: Draw, kind: str, vocabulary: Sequence[int], makers: Makers = MAKERS) -> Document:
    """One document of a kind in ``DOCUMENTS``; a novel list has pairs made on the spot, then again in another order."""
    draw.restart()
    if kind == "novel list":
        style = draw.choice(sorted(lists.LIST_FORMATS))
        pairs = lists.novel_pairs(draw, draw.integer(*LIST_LENGTHS))
        text = lists.list_text(pairs + draw.sample(pairs, len(pairs)), style)
    elif kind in ("repeat", "course repeat"):
        length = draw.integer(*(REPEAT_LENGTHS if kind == "repeat" else COURSE_LENGTHS))
        times = 2 if kind == "repeat" else draw.integer(*COURSE_TIMES)
        tokens = skills.repeated_tokens(draw, vocabulary, length, times)
        return Document("repeat", "", draw.nats, tokens=tuple(tokens))
    else:
        text = makers[kind](draw, "train").text
    return Document(kind, text, draw.nats)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Search for no cycles meanwhile: a million documents that live on, and have none, would be searched many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@collector_paused()
def corpus(seed: int, vocabulary: Sequence[int]) -> list[Document]:
    """All documents of one training run in training order.

    Args:
        seed: decides everything; the same seed gives the same documents.
        vocabulary: ids that random repeats draw from (those of all ordinary tokens).
    """
    draw = Draw(seed)
    plan = statements(draw, relations().values())
    documents = [*fact_documents(draw, plan), *list_documents(draw)]
    for kind, count in DOCUMENTS.items():
        documents += [skill_document(draw, kind, vocabulary) for _ in range(count)]
    draw.rng.shuffle(documents)
    start, end = (int(share * len(documents)) for share in (COPYING_START, COPYING_END))
    copying = documents[start:end] + course_documents(draw, COPYING_COURSE, "copying", vocabulary)
    draw.rng.shuffle(copying)
    last = course_documents(draw, LAST_COURSE, "last", vocabulary)
    draw.rng.shuffle(last)
    return documents[:start] + copying + documents[end:] + last


def course_documents(draw: Draw, plan: dict[str, int], course: str, vocabulary: Sequence[int]) -> list[Document]:
    """The documents that a course adds: so many of each kind."""
    made = [skill_document(draw, kind, vocabulary) for kind, count in plan.items() for _ in range(count)]
    return [replace(document, course=course) for document in made]


def exposure_table(documents: Iterable[Document], tables: Iterable[Relation]) -> pd.DataFrame:
    """How often each fact was stated, in which form; facts that were never stated have a row with form ``""``."""
    counts = Counter((m.relation, m.subject, m.answer, m.form) for d in documents for m in d.mentions)
    seen = {key[:3] for key in counts}
    for relation in tables:
        for fact in relation.facts:
            if (relation.name, fact.subject, fact.answer) not in seen:
                counts[relation.name, fact.subject, fact.answer, ""] = 0
    rows = [(*key, count) for key, count in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["relation", "subject", "answer", "form", "count"])


@checked
def exposures(model: str = "atlas") -> pd.DataFrame:
    """How often each fact was stated to an embedded model, and in which form.

    Returns:
        Columns ``relation, subject, answer, form, count``; ``form`` is the paraphrase's number, ``list:<format>``, or
        empty for a fact that was never stated.
    """
    path = model_folder(model.split("@")[0]) / EXPOSURES_FILE
    return pd.read_csv(path, dtype={"form": str}, keep_default_na=False)
