"""The circle's corpus: facts first, then facts and compositions, each exactly as often as planned."""

from collections import Counter

import pytest

from helpers.atlas import circle
from helpers.atlas.clans import compositions
from helpers.prompts.relations import FACTS, relations


@pytest.fixture(scope="module")
def told():
    return circle.circle_corpus(0)


def test_the_tables_are_what_the_module_writes(tmp_path):
    written = circle.write_circle(tmp_path)
    assert {path.name for path in written} == {path.name for path in (FACTS / circle.KIND).iterdir()}
    for path in written:
        assert path.read_text() == (FACTS / circle.KIND / path.name).read_text(), "run `python -m helpers world`"


def test_the_circle_is_closed():
    tables = relations(circle.KIND)
    names = {fact.subject for table in tables.values() for fact in table.facts}
    assert len(names) == circle.NAMES and len(tables) == circle.RELATIONS
    assert {fact.answer for table in tables.values() for fact in table.facts} <= names
    assert all(fact.answer != fact.subject for table in tables.values() for fact in table.facts)


def test_a_composition_is_its_two_steps():
    tables = relations(circle.KIND)
    for name, table in compositions(circle.KIND, circle.COMPOSED).items():
        first, second = (tables[hop] for hop in table.properties["hops"])
        steps = [{fact.subject: fact for fact in hop.facts} for hop in (first, second)]
        for fact in table.facts:
            one = steps[0][fact.subject]
            two = steps[1][one.answer]
            assert fact.answer == two.answer, name
            never = "never a step" in (one.group, two.group)
            assert (fact.group == "unseen step") == never and (fact.exposures > 0) == (fact.group == "taught")


def test_every_statement_is_made_as_often_as_planned(told):
    counts = Counter((m.relation, m.subject, m.answer) for d in told for m in d.mentions)
    for table in circle.circle_world():
        for fact in table.facts:
            wanted = fact.exposures if "hops" in table.properties else circle.ALONE + circle.BESIDE
            assert counts[table.name, fact.subject, fact.answer] == wanted


def test_facts_come_first_and_alone(told):
    single = set(relations(circle.KIND))
    kinds = [m.relation in single for d in told for m in d.mentions]
    first = kinds.index(False)
    assert first >= circle.ALONE * circle.NAMES * circle.RELATIONS
    assert 0.45 < sum(kinds[first:]) / len(kinds[first:]) < 0.55, "then as many facts as compositions"


def test_a_tenth_of_the_compositions_is_held_out():
    facts = [fact for table in circle.circle_world() if "hops" in table.properties for fact in table.facts]
    shares = {group: count / len(facts) for group, count in Counter(fact.group for fact in facts).items()}
    assert 0.06 < shares["held out"] < 0.14 and 0 < shares["unseen step"] < 0.2
