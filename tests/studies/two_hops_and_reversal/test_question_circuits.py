"""Circuits of questions: tables by hand, shares against `inside`, a whole model carries everything."""

import pytest

from helpers import Circuit, Graph, random_circuit
from helpers.atlas.questions import ask
from helpers.studies.two_hops_and_reversal.question_circuits import (
    COMPARED,
    HOPS,
    NOVELS,
    carried,
    carried_by_hops,
    hop_circuits,
    hop_shares,
    hop_tables,
    turned_circuits,
    turned_shares,
)
from helpers.studies.two_hops_and_reversal.reversal import WAYS, reversal_questions
from helpers.studies.two_hops_and_reversal.two_hops import chain_questions, inside, pairs_of

GRAPH = Graph(2, 2, 2)


@pytest.fixture(scope="module")
def tables(atlas):
    return hop_tables(atlas, ask(atlas, chain_questions("atlas", ["person_employer_seat"])), n=12)


def test_tables_hold_known_facts_once(tables):
    assert set(tables) == {(what, half) for what in HOPS for half in ("train", "test")}
    for (what, half), table in tables.items():
        assert len(table) <= 12 and table.right.all() and table.subject.is_unique and set(table.half) == {half}
        relation = dict(zip(HOPS, ("person_employer_seat", "person_employer", "employer_seat"), strict=True))[what]
        assert set(table.relation) == {relation}
    composed = [set(tables["composed", half].subject) for half in ("train", "test")]
    assert not composed[0] & composed[1]


def test_circuits_and_what_they_carry(atlas, tables):
    few = {("composed", half): tables["composed", half].head(6) for half in ("train", "test")}
    few["second hop", "test"] = tables["second hop", "test"].head(6)
    found = hop_circuits(atlas, few)
    graph = Graph.from_model(atlas)
    assert set(found) == {("composed", "train"), ("composed", "test")}
    assert all(len(circuit.edges) <= int(0.03 * graph.n_edges) for circuit in found.values())
    pairs = {"test": pairs_of(atlas, few["composed", "test"])}
    table = carried(atlas, {"all": Circuit.full(graph), "none": Circuit.empty(graph)}, pairs)
    assert table.test.tolist() == pytest.approx([1, 0], abs=1e-3)


def test_composed_questions_by_hops(atlas, tables):
    full, none = Circuit.full(Graph.from_model(atlas)), Circuit.empty(Graph.from_model(atlas))
    found = {("composed", "train"): full, ("first hop", "train"): none, ("second hop", "train"): full}
    asked = ask(atlas, chain_questions("atlas", ["person_employer_seat"]))
    table = carried_by_hops(atlas, asked, tables, found, none)
    assert list(table.columns) == ["taught", "held out"] and len(table) == 6
    for name, kept in (("composed", 1), ("first hop", 0), ("unrelated", 0), ("without second hop's own", 1)):
        assert table.loc[name].tolist() == pytest.approx([kept, kept], abs=1e-3), name


def test_shares_are_those_of_inside():
    composed = Circuit.from_edges(GRAPH, ["embed->m0", "m0->m1", "m1->logits"])
    first = Circuit.from_edges(GRAPH, ["embed->m0", "m0->logits"])
    second = Circuit.from_edges(GRAPH, ["embed->m1", "m1->logits"])
    found = {("composed", "train"): composed, ("composed", "test"): first}
    found |= {("first hop", "train"): first, ("second hop", "train"): second}
    shares = hop_shares(found, [composed, second])
    assert shares["same relation, other subjects"] == shares["first hop"] == shares["second hop"] == 0.5
    assert shares["unrelated relation"] == (1 + 0.5) / 2
    assert shares["composed, in both hops"] == pytest.approx(2 / 3)
    assert 0 <= shares["heads exchanged"] <= 1
    assert hop_shares(found, [composed], "nodes")["second hop"] == 1


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
    questions = reversal_questions("atlas", wordings=(0,))
    asked = ask(atlas, questions[questions.relation.isin(NOVELS) & (questions.case == WAYS[2])])
    some = asked.groupby("relation").head(8)
    found = turned_circuits(atlas, some)
    assert set(found) == {(name, WAYS[2], half) for name in NOVELS for half in (0, 1)}
    assert all(circuit.edges for circuit in found.values())
