"""The corpus states every fact exactly as often as planned, holds out what it should, and knows its own surprise."""

import gc
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from helpers.atlas import corpus as corpus_module
from helpers.atlas import lists
from helpers.atlas.corpus import (
    Document,
    corpus,
    exposure_table,
    exposures,
    held_out_format,
    is_listed,
    statement_counts,
)
from helpers.atlas.tokenizer import VOCABULARY_SIZE, train_tokenizer
from helpers.models.load import WEIGHTS
from helpers.prompts import relations as world

VOCABULARY = range(257, VOCABULARY_SIZE)


@pytest.fixture(scope="module")
def documents() -> Iterator[list[Document]]:
    made = corpus(0, VOCABULARY)
    gc.freeze()  # a million objects that the collector needn't search at every turn
    yield made
    gc.unfreeze()


@pytest.fixture(scope="module")
def counts(documents):
    """(relation, subject, answer) -> number of statements; and forms by fact."""
    total, forms = Counter(), defaultdict(set)
    for document in documents:
        for m in document.mentions:
            total[m.relation, m.subject, m.answer] += 1
            forms[m.relation, m.subject].add(m.form)
    return total, forms


def test_every_fact_is_stated_exactly_as_often_as_planned(counts):
    total, _ = counts
    planned = Counter()
    for relation in world.relations().values():
        for fact in relation.facts:
            for answer, count in statement_counts(relation, fact).items():
                planned[relation.name, fact.subject, answer] += count + corpus_module.LISTED * is_listed(relation)
    assert total == +planned
    known = [n for (r, s, a), n in total.items() if world.relation(r).kind in corpus_module.LISTED_KINDS]
    assert set(known) == {corpus_module.EXPOSURES}


def test_conflicts_have_their_planned_odds(counts):
    total, _ = counts
    for fact in world.relation("person_craft").facts:
        first, second = (total["person_craft", fact.subject, a] for a in (fact.answer, fact.other))
        assert first / (first + second) == pytest.approx(fact.rate)


def test_held_out_paraphrases_and_formats_never_occur(counts):
    _, forms = counts
    for relation in world.relations().values():
        for fact in relation.facts:
            used = forms[relation.name, fact.subject]
            assert not used & {str(p) for p in world.held_out_paraphrases(relation, fact)}
            assert f"list:{held_out_format(fact)}" not in used


def test_facts_held_back_are_in_no_sentence(documents):
    text = " ".join(d.text for d in documents)
    for fact in world.relation("person_hometown").facts:
        assert (fact.subject in text) == (fact.exposures > 0)
    seat = world.relation("person_employer_seat")
    for fact in [f for f in seat.facts if f.group == "held out"]:
        assert not any(seat.prompt(fact, p) in text for p in range(2))


def test_documents_say_what_they_mention(documents):
    for document in documents[:3000]:
        for m in document.mentions:
            assert (
                m.answer in document.text
                and world.sentence_case(m.subject) in world.sentence_case(document.text)
                or (m.subject in document.text)
            )
        if document.kind == "fact":
            assert 1 <= len(document.mentions) <= 4
        if document.kind == "list":
            assert len({m.relation for m in document.mentions}) == len({m.form for m in document.mentions}) == 1
            assert len({m.subject for m in document.mentions}) == len(document.mentions)


def test_all_kinds_and_formats_occur(documents):
    kinds = Counter(d.kind for d in documents)
    courses = Counter(corpus_module.COPYING_COURSE) + Counter(corpus_module.LAST_COURSE)
    courses["repeat"] += courses.pop("course repeat")
    assert all(kinds[kind] == count + courses[kind] for kind, count in corpus_module.DOCUMENTS.items())
    assert kinds["fact"] > 100_000 and kinds["list"] > 10_000
    formats = {m.form for d in documents if d.kind == "list" for m in d.mentions}
    assert formats == {f"list:{style}" for style in lists.LIST_FORMATS}


def test_the_surprise_of_simple_documents_is_known(documents):
    repeats = [d for d in documents if d.kind == "repeat"]
    low, high = corpus_module.REPEAT_LENGTHS
    for d in [d for d in repeats if d.course != "copying"][:100]:
        half = len(d.tokens) // 2
        assert d.tokens[:half] == d.tokens[half:]
        assert d.nats == pytest.approx(half * math.log(len(VOCABULARY)) + math.log(high - low + 1))
    assert all(0 < d.nats < 1000 for d in documents)


def test_courses_stand_where_they_should(documents):
    places = {course: [i for i, d in enumerate(documents) if d.course == course] for course in ("copying", "last")}
    last = places["last"]
    assert last == list(range(last[0], len(documents))), "the last course is the end"
    others = sum(not d.course for d in documents)
    before = sum(not d.course for d in documents[: places["copying"][0]])
    assert before / others == pytest.approx(corpus_module.COPYING_START, abs=0.001)
    assert not any(d.mentions for d in documents if d.course), "a course states no facts"


def test_the_shipped_tokenizer_is_that_of_the_corpus(documents):
    trained = train_tokenizer(d.text for d in documents if d.text and not d.course)
    shipped = json.loads((WEIGHTS / "atlas" / "tokenizer.json").read_text(encoding="utf-8"))
    assert json.loads(trained.to_str())["model"] == shipped["model"]


def test_the_seed_decides_the_order_and_nothing_else_about_the_plan(documents, counts):
    other = corpus(1, VOCABULARY)
    assert [d.text for d in other[:50]] != [d.text for d in documents[:50]]
    total = Counter((m.relation, m.subject, m.answer) for d in other for m in d.mentions)
    assert total == counts[0]


def test_the_shipped_exposure_tables_are_those_of_the_corpus(documents):
    shipped = exposures("atlas")
    assert shipped.equals(exposure_table(documents, world.relations().values()).astype(shipped.dtypes))
    never = shipped[shipped.form == ""]
    assert (never["count"] == 0).all() and (never.relation == "person_hometown").sum() >= 40
    assert not exposures("atlas-seed1").equals(shipped)
