"""Edits of facts of one's own: the requests, and the committed sweep over layers and places."""

import pytest

from helpers.prompts.relations import Fact, Relation
from helpers.studies.edit_places import judged_at
from helpers.studies.tables import read_table
from helpers.studies.your_own_model.own_edits import (
    EDITS,
    LAYERS,
    RELATIONS,
    own_requests,
    sweep_covariance,
    sweep_requests,
)

LANDS = {"sushi": "Japan", "ramen": "Japan", "pizza": "Italy", "tacos": "Mexico"}
FACTS = tuple(Fact("dish", dish, land) for dish, land in LANDS.items())
DISHES = Relation("dish", "dishes", "own", ("The land of {} is", "{} comes from"), FACTS)


def test_requests_edit_known_facts_and_ask_others():
    requests = own_requests(DISHES, FACTS, 3)
    assert len({r.subject for r in requests}) == 3 and requests == own_requests(DISHES, FACTS, 3)
    assert requests != own_requests(DISHES, FACTS, 3, seed=1)
    for request in requests:
        assert request.prompt == DISHES.templates[0] and request.relation == "dish"
        assert (request.subject, request.old) in {(f.subject, f.answer) for f in FACTS} and request.new != request.old
        (other,) = request.paraphrases
        assert other.prompt == f"{request.subject} comes from" and other.answer == request.new
        for question in request.neighbours:
            assert request.subject not in question.prompt
            assert question.rival == request.new and question.answer not in (request.old, request.new)


def test_what_cant_be_edited_is_refused():
    with pytest.raises(ValueError, match="5 edits need"):
        own_requests(DISHES, FACTS, 5)
    with pytest.raises(ValueError, match="two answers"):
        own_requests(DISHES, FACTS[:2], 1)


def test_the_sweep_is_whole():
    table = read_table("own_edits")
    assert set(table.relation) == set(RELATIONS) and set(table.layer) == set(LAYERS)
    counts = table.groupby(["relation", "layer", "place", "score"]).size()
    assert (counts == EDITS).all() and len(counts) == len(RELATIONS) * len(LAYERS) * 2 * 3
    assert table.value.between(0, 1).all()


def test_one_edit_again(smollm2):
    layer = LAYERS[-1]
    request = sweep_requests(smollm2, RELATIONS[0])[0]
    covariance = sweep_covariance(smollm2, layer)
    table = read_table("own_edits").query("layer == @layer and subject == @request.subject")
    for place, rows in table.groupby("place"):
        again = judged_at(smollm2, request, layer, place, covariance).set_index("score")
        kept = rows.set_index("score")
        assert (kept.new == again.new).all()
        assert (kept.value - again.value).abs().max() < 0.2, "more than one question has another outcome"
