"""Questions of two steps: bridges as in the tables, descriptions in the prompts, steps alone."""

import pytest

from helpers import relation
from helpers.studies.two_hops_and_reversal.questions import CIRCLES, COLUMNS, asked, group_of, questions


@pytest.mark.parametrize("name", ["smollm2", "atlas2", CIRCLES[0]])
def test_descriptions_stand_in_their_prompts(name):
    table = questions(name)
    assert list(table) == list(COLUMNS) and len(table) > 300
    for row in table.groupby("kind").head(3).itertuples():
        assert row.subject in row.description
        for prompt in (row.prompt, row.at_description):
            assert row.description.lower() in prompt.lower(), prompt
        assert row.named.lower() in row.named_prompt.lower()
        assert row.bridge not in row.prompt


def test_bridges_are_those_of_the_tables():
    seats = questions("atlas2").query("kind == 'seats'")
    employer = {f.subject: f.answer for f in relation("person_employer").facts}
    seat = {f.subject: f.answer for f in relation("employer_seat").facts}
    assert set(seats.case) == {"told", "held out"} and len(seats) == 150
    assert all(employer[row.subject] == row.bridge and seat[row.bridge] == row.answer for row in seats.itertuples())
    real = questions("smollm2")
    american = real[real.bridge == "America"]
    assert len(american) and set(american.named) == {"the United States"}
    other = real[real.kind == "landmark: language"].set_index("subject").other_answer
    assert other["the Eiffel Tower"] == "Paris"


def test_the_circle_holds_out_compositions():
    table = questions(CIRCLES[0])
    assert set(table.case) == {"told", "held out"}
    row = table.iloc[0]
    first = relation(f"circle_{row.description.split(' ')[1]}")
    assert row.bridge == next(f.answer for f in first.facts if f.subject == row.subject)
    assert group_of(CIRCLES[0], row.kind) == "circle"
    assert [group_of("atlas2", kind) for kind in ("seats", "capitals")] == ["people", "world"]


def test_what_is_asked(atlas2):
    table = questions("atlas2").query("kind == 'seats'").head(12)
    found = asked(atlas2, table)
    assert found[["first_right", "second_right"]].mean().min() > 0.8
    assert (found.right == (found.said == found["first"])).all()
    told = found[found.case == "told"]
    assert told.right.mean() > 0.8
