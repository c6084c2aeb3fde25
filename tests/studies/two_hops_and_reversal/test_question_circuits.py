"""Circuits of questions: tables by hand, shares against `inside`."""

import pytest

from helpers import Graph, random_circuit
from helpers.atlas.questions import ask
from helpers.studies.two_hops_and_reversal.question_circuits import (
    COMPARED,
    HOPS,
    NOVELS,
    hop_tables,
    turned_circuits,
    turned_shares,
)
from helpers.studies.two_hops_and_reversal.two_hops import WAYS, chain_questions, inside, reversal_questions

GRAPH = Graph(2, 2, 2)


@pytest.fixture(scope="module")
def tables(atlas):
    return hop_tables(atlas, ask(atlas, chain_questions("atlas").query("relation == 'person_employer_seat'")))


def test_tables_hold_known_facts_once(tables):
    assert set(tables) == {(what, half) for what in HOPS for half in ("train", "test")}
    for (what, half), table in tables.items():
        assert 0 < len(table) <= 30 and table.right.all() and table.subject.is_unique and set(table.half) == {half}
        relation = dict(zip(HOPS, ("person_employer_seat", "person_employer", "employer_seat"), strict=True))[what]
        assert set(table.relation) == {relation}
    composed = [set(tables["composed", half].subject) for half in ("train", "test")]
    assert not composed[0] & composed[1]


def test_turned_shares_by_hand():
    made = (r for r in range(100))
    keys = [(name, way, half) for name in NOVELS for way in WAYS for half in (0, 1)]
    keys += [(name, WAYS[0], half) for name in ("country_capital", "capital_country") for half in (0, 1)]
    found = {key: random_circuit(GRAPH, 8, next(made)) for key in keys}
    plain = random_circuit(GRAPH, 8, 99)
    table = turned_shares(found, [plain])
    assert set(table.what) == set(COMPARED) and table.what.value_counts()[COMPARED[4]] == 2
    untaught = table[table.what == COMPARED[2]].reset_index(drop=True)
    assert len(untaught) == 4 and table.unrelated.notna().sum() == 4
    assert untaught.share[0] == inside(found["author_novel", WAYS[2], 0], found["novel_author", WAYS[1], 0])
    assert untaught.unrelated[0] == inside(plain, found["novel_author", WAYS[1], 0])
    assert table[table.what == COMPARED[3]].share.tolist() == untaught.unrelated.tolist()


def test_turned_circuits_explain_what_is_said(atlas):
    questions = reversal_questions("atlas").query("wording == 0")
    asked = ask(atlas, questions[questions.relation.isin(NOVELS) & (questions.case == WAYS[2])])
    assert set(asked.relation) == set(NOVELS)
    some = asked.groupby("relation").head(8)
    found = turned_circuits(atlas, some)
    assert set(found) == {(name, WAYS[2], half) for name in NOVELS for half in (0, 1)}
    limit = int(0.03 * Graph.from_model(atlas).n_edges)
    assert all(0 < circuit.n_edges <= limit for circuit in found.values())
