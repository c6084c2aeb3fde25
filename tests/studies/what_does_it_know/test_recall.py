"""Recall beside a guesser's: small numbers by hand, and the committed table."""

import pandas as pd
import pytest

from helpers import relation
from helpers.studies.tables import read_table
from helpers.studies.what_does_it_know import recall


def test_a_guesser_always_says_the_most_frequent_answer():
    phases = relation("substance_phase")
    counts = pd.Series([fact.answer for fact in phases.facts]).value_counts()
    assert recall.guesser_share(phases) == counts.iloc[0] / len(phases.facts)
    assert recall.guesser_share(relation("country_capital")) == pytest.approx(1 / 155, abs=0.01)


def test_wordings_of_a_relation():
    table = recall.by_wording().set_index("relation")
    own = read_table("smollm2_knows").query("model == 'smollm2' and relation == 'country_capital'")
    capitals = table.loc["country capital"]
    assert capitals["best wording"] == own.hit1.max() and capitals["middle wording"] == own.hit1.median()
    assert capitals["all facts"] == own.known.max() / capitals.facts and capitals.asked == 40
    assert (table["best wording"] >= table["middle wording"]).all() and table["all facts"].between(0, 1).all()


def test_a_share_that_is_all_or_nothing_has_an_exact_interval():
    none = recall.share_right(pd.Series([0.0] * 50))
    assert none == 0 and 0.05 < none.high < 0.1, "one-sided, it would be the rule of three"
    some = recall.share_right(pd.Series([0.0, 0.5, 1.0, 0.5]))
    assert some == 0.5 and some.low < 0.5 < some.high


def test_a_sample_has_as_many_facts_of_each_kind_and_only_such_as_were_told_often():
    sample = recall.well_taught_sample(20)
    kinds = pd.Series([relation(fact.relation).kind for fact in sample]).value_counts()
    assert (kinds == 20).all() and "clans" not in kinds, "clans are told too rarely"
    assert all(fact.well_taught for fact in sample) and sample == recall.well_taught_sample(20)
