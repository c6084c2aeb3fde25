"""Two-step questions: bridges as in the tables, donors that differ as asked, pairs of equal length, shares by hand."""

import pandas as pd
import pytest

from helpers import Circuit, Graph, relation
from helpers.atlas.questions import ask
from helpers.studies.two_hops_and_reversal.two_hops import (
    SAID,
    WAYS,
    by_subject,
    chain_kinds,
    chain_questions,
    donors,
    hop_questions,
    inside,
    pairs_of,
    reversal_questions,
)


@pytest.fixture(scope="module")
def seats():
    table = chain_questions("atlas")
    assert sorted(table.wording.unique()) == [0, 3]
    return table.query("relation == 'person_employer_seat' and wording == 0").reset_index(drop=True)


@pytest.fixture(scope="module")
def asked(atlas, seats):
    table = ask(atlas, seats)
    return table.assign(said_as=chain_kinds(atlas, table))


def test_bridges_are_those_of_the_tables(seats):
    employer = {f.subject: f.answer for f in relation("person_employer").facts}
    seat = {f.subject: f.answer for f in relation("employer_seat").facts}
    assert len(seats) == 150 and set(seats.case) == {"taught", "held out"}
    for row in seats.itertuples():
        assert row.bridge == employer[row.subject] and row.answer == seat[row.bridge]
        assert (row.exposures == 0) == (row.case == "held out")


def test_hops_alone(seats):
    first, second = (hop_questions(seats, hop) for hop in ("first", "second"))
    assert first.answer.tolist() == seats.bridge.tolist() == second.subject.tolist()
    assert first.prompt[0] == f"{seats.subject[0]} works for the company"
    assert second.answer.tolist() == seats.answer.tolist() and (second.exposures > 0).all()
    american = chain_questions("atlas").query("bridge == 'America'")
    if len(american):
        assert set(hop_questions(american, "second").subject) == {"the United States"}


def test_kinds_of_what_is_said(atlas, asked):
    assert set(asked.said_as) <= set(SAID)
    assert ((asked.said_as == "right") == asked.right).all()
    row = asked.iloc[[0]]
    bridge = atlas.tokenizer.encode(f"{row.prompt.iloc[0]} {row.bridge.iloc[0]}", add_special_tokens=False)
    before = len(atlas.tokenizer.encode(row.prompt.iloc[0], add_special_tokens=False))
    turned = row.assign(right=False, said_id=bridge[before])
    assert chain_kinds(atlas, turned) == ["the bridge"]
    assert chain_kinds(atlas, row.assign(right=False, said_id=0)) == ["untyped"]


def test_donors(asked):
    some = asked.head(40).reset_index(drop=True)
    given, places = donors(some, asked)
    own = some.iloc[places].reset_index(drop=True)
    assert len(given) == len(own) == 40 and (given.subject != own.subject).all()
    assert (given.bridge != own.bridge).all() and (given["first"] != own["first"]).all()
    nobody, places = donors(some, asked[:0])
    assert not len(nobody) and not places


def test_pairs(atlas, asked):
    pairs = pairs_of(atlas, asked.head(30))
    assert (pairs.answer_ids != pairs.wrong_ids).all()
    assert all(len(a) == len(b) for a, b in zip(pairs.clean_ids, pairs.corrupt_ids, strict=True))
    right = asked.head(30).set_index("prompt")["first"]
    assert pairs.answer_ids.tolist() == [right[prompt] for prompt in pairs.clean]
    said = pairs_of(atlas, asked[~asked.right], asked, target="said_id")
    kept = asked.set_index("prompt").said_id
    assert said.answer_ids.tolist() == [kept[prompt] for prompt in said.clean]
    with pytest.raises(ValueError, match="no question has a partner"):
        pairs_of(atlas, asked.head(1))


def test_shares_by_hand():
    graph = Graph(2, 2, 2)
    part = Circuit.from_edges(graph, ["embed->m0", "m0->m1", "m1->logits"])
    whole = Circuit.from_edges(graph, ["embed->m0", "m0->logits"])
    assert inside(part, whole) == 1 / 3 and inside(whole, part) == 1 / 2
    assert inside(part, whole, "nodes") == 1 / 2 and inside(whole, part, "nodes") == 1
    assert inside(Circuit.empty(graph), whole) == 1


def test_a_subject_counts_once():
    table = pd.DataFrame({"relation": "r", "subject": ["a", "a", "a", "b"], "right": [True, True, True, False]})
    assert by_subject(table) == 0.5 and by_subject(table, "right").low == 0


def test_cases_follow_from_the_exposures():
    questions = reversal_questions("atlas").query("wording == 0")
    assert set(questions.case) == set(WAYS)
    assert ((questions.exposures == 0) == (questions.case == WAYS[2])).all()
    novels = questions[questions.relation == "novel_author"]
    assert novels.case.value_counts().tolist() == [30, 30, 30]
    backwards = questions[questions.relation == "author_novel"].set_index("answer").case
    swap = {WAYS[0]: WAYS[0], WAYS[1]: WAYS[2], WAYS[2]: WAYS[1]}
    assert all(backwards[row.subject] == swap[row.case] for row in novels.itertuples())
    capitals = questions[questions.relation.isin(["country_capital", "capital_country"])]
    assert set(capitals.case) == {WAYS[0]}
