"""Namesakes are found by the parts asked for, and strangers bear the words of known people in new orders."""

import pandas as pd

from helpers import relation
from helpers.prompts.relations import Fact
from helpers.studies.hallucination.namesakes import GROUP, namesake_hits, new_orders, strangers


def test_namesakes_by_the_parts_of_the_name():
    facts = [
        Fact("t", "Ana Bek", "Xton", 100),
        Fact("t", "Ana Rook", "Yton", 100),
        Fact("t", "Ivo Bek", "Zton", 100),
        Fact("t", "Ana Zar", "Wton", 3),
        Fact("t", "Ana Thal", "Vton", 0),
    ]
    wrong = pd.DataFrame(
        {"subject": ["Ana Thal"] * 4 + ["Ana Bek"], "said": [" Xton", " Zton", " Wton", " Vton", " Xton"]}
    )
    first = namesake_hits(wrong, facts, [0])
    assert first.own.tolist() == [True, False, False, False, False], "not who is hardly known, nor oneself"
    assert not namesake_hits(wrong, facts, [1]).own[:4].any()
    crossed = namesake_hits(pd.DataFrame({"subject": ["Ivo Rook"] * 2, "said": [" Yton", " Zton"]}), facts, [0, 1])
    assert crossed.own.all()
    assert first.exchanged.sum() <= 2, "the same answers, at other questions"


def test_strangers_have_known_words_in_unknown_orders(atlas2):
    known = {fact.subject for fact in relation("resident_town").facts}
    orders = new_orders()
    assert orders and not known & set(orders)
    for name, people in orders.items():
        assert all(sorted(name.split()) == sorted(person.split()) and person in known for person in people)
    assert all(len(name.split()) == int(GROUP[0]) for name in orders)
    table = strangers(atlas2)
    assert len(table) == 8 * len(orders) and table.own.mean() > table.exchanged.mean()
    row = table[table.relation == "resident_town"].iloc[0]
    towns = {fact.subject: fact.answer for fact in relation("resident_town").facts}
    assert row.own == any(towns[person].startswith(row.said) for person in orders[row.subject])
