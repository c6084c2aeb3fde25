"""Edits of Atlas and the circle: composed questions know what training stated, and the table is what the code gives."""

import pytest

from helpers import load_model
from helpers.atlas.corpora import world
from helpers.studies.locate_and_edit.atlas_edits import (
    CIRCLES,
    MODELS,
    WAYS,
    circle_requests,
    composed_groups,
    edit_rows,
)
from helpers.studies.tables import read_table


def test_groups_are_those_of_the_corpus():
    groups = composed_groups(world("profiles"))
    table = next(t for t in world("profiles") if t.name == "landmark_country_capital")
    for fact in table.facts[:5]:
        assert groups[table.prompt(fact, 0)] == ("stated" if fact.exposures else "held out")


def test_every_model_gets_both_places():
    table = read_table("edits")
    for name in table.model.unique():
        assert name in MODELS | CIRCLES
        ways = table[table.model == name][["layer", "place", "templates"]].drop_duplicates()
        assert set(WAYS) <= set(ways.itertuples(index=False, name=None))


def test_an_edit_of_the_circle_is_what_the_code_gives():
    model = load_model("atlas2-circle")
    request = circle_requests(model)[0]
    (row,) = edit_rows(model, [request], "circle", WAYS[:1])
    table = read_table("edits").query("model == 'atlas2-circle' and layer == 0")
    kept = table[(table.relation == request.relation) & (table.subject == request.subject)].set_index("kind").beats
    assert kept.to_dict() == pytest.approx(row.set_index("kind").beats.to_dict(), abs=0.35)
