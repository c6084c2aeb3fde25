"""Edits confined to masks: where they may change weights, how fast they learn, what is reported."""

import math

import pytest
import torch

from helpers.editing.requests import edit_requests
from helpers.studies.editing_inside_circuits.edits import (
    HALF,
    confined_edit,
    confined_rows,
    edit_places,
    steps_to_learn,
)
from helpers.studies.editing_inside_circuits.masks import ParameterMask, full_mask, random_mask, top_mask


@pytest.fixture(scope="module")
def circuit(atlas):
    generator = torch.Generator().manual_seed(0)
    scores = {n: torch.rand(p.shape, generator=generator) for n, p in full_mask(atlas).kept.items()}
    scores = {n: s + ("ln_" in n) for n, s in scores.items()}  # all norms inside
    return top_mask(scores, 0.1)


@pytest.fixture(scope="module")
def requests(atlas):
    return edit_requests(atlas, "antonym", 2, 5)


def test_places(circuit):
    places = edit_places(circuit, 3)
    assert len(places) == 6 and places["circuit"] is circuit and places["all"].share == 1
    assert places["rest"].size == circuit.total - circuit.size
    assert (places["rest, same profile"] & circuit).size == 0
    assert places["random, same profile"].counts == circuit.counts
    assert places["random, same size"].size == circuit.size
    norms = [n for n in circuit.kept if "ln_" in n]
    outside = places["rest, same profile"].counts
    assert all(outside[n] == 0 for n in norms), "none are left outside"
    assert all(outside[n] == circuit.counts[n] for n in circuit.kept if n not in norms)


def test_an_edit_stays_inside_its_mask(atlas, circuit, requests):
    edit = confined_edit(atlas, requests[0], circuit)
    moved = {n: edit.after[n] != edit.before[n] for n in edit.places}
    assert any(part.any() for part in moved.values())
    assert not any((part & ~circuit.kept[n]).any() for n, part in moved.items())
    assert not edit.applied


def test_matched_rates_make_random_masks_as_fast_as_the_whole(atlas, requests):
    whole = full_mask(atlas)
    tenth = random_mask(top_mask({n: torch.rand(p.shape) for n, p in whole.kept.items()}, 0.1), 0, profile=False)
    free, matched = (steps_to_learn(confined_edit(atlas, requests[0], m).losses) for m in (whole, tenth))
    equal = steps_to_learn(confined_edit(atlas, requests[0], tenth, "equal").losses)
    assert matched == pytest.approx(free, rel=0.35) and equal > matched


def test_steps_by_hand():
    assert steps_to_learn([0.1]) == 0
    assert steps_to_learn([2 * HALF, 0.0]) == pytest.approx(0.5)
    assert steps_to_learn([3.0, 2.0, 0.5]) == pytest.approx(1 + (2 - math.log(2)) / 1.5)
    assert steps_to_learn([3.0, 2.0]) == 3


def test_bad_edits(atlas, circuit, requests):
    with pytest.raises(ValueError, match="choose from matched, equal"):
        confined_edit(atlas, requests[0], circuit, "fast")
    empty = ParameterMask({n: torch.zeros_like(p) for n, p in circuit.kept.items()})
    with pytest.raises(ValueError, match="mask is empty"):
        confined_edit(atlas, requests[0], empty)
    for rule, paces in (("equal", {"circuit": 2.0}), ("matched", {"rest": 2.0})):
        with pytest.raises(ValueError, match="a number for each of circuit"):
            confined_rows(atlas, requests[:1], {"circuit": circuit}, [], rule, paces)


def test_rows(atlas, circuit, requests):
    table = confined_rows(atlas, requests[:1], {"circuit": circuit, "rest": ~circuit}, ["The sky is blue."])
    assert list(table.place) == ["circuit", "rest"] and table.half.isin(["train", "test"]).all()
    assert (table.efficacy == 1).all() and (table.drift > 0).all() and (table.change > 0).all()
    assert table.neighbourhood.between(0, 1).all() and table["size"].sum() == circuit.total
