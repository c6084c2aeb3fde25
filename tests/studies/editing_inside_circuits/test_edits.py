"""Edits confined to masks: where they may change weights, how long their steps are, where they are judged."""

import math

import pytest
import torch

from helpers.editing.requests import edit_requests
from helpers.studies.editing_inside_circuits.edits import (
    HALF,
    SAID,
    at_loss,
    confined_edit,
    confined_rows,
    mask_norm,
    mask_places,
    scaled,
    steps_to_learn,
)
from helpers.studies.editing_inside_circuits.masks import ParameterMask, full_mask, top_mask

STEP = 2e-3


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
    places = mask_places(circuit, 3)
    assert len(places) == 5 and places["circuit"] is circuit and places["all"].share == 1
    assert places["rest"].size == circuit.total - circuit.size
    assert (places["rest, same profile"] & circuit).size == 0
    assert places["random, same profile"].counts == circuit.counts
    norms = [n for n in circuit.kept if "ln_" in n]
    outside = places["rest, same profile"].counts
    assert all(outside[n] == 0 for n in norms), "none are left outside"
    assert all(outside[n] == circuit.counts[n] for n in circuit.kept if n not in norms)


def test_an_edit_stays_inside_its_mask(atlas, circuit, requests):
    edit = confined_edit(atlas, requests[0], circuit, STEP, steps=3)
    moved = {n: edit.after[n] != edit.before[n] for n in edit.places}
    assert any(part.any() for part in moved.values())
    assert not any((part & ~circuit.kept[n]).any() for n, part in moved.items())
    assert not edit.applied


def test_a_first_step_has_the_same_length_everywhere(atlas, circuit, requests):
    whole = mask_norm(atlas, circuit.whole)
    for mask in (circuit, ~circuit, circuit.whole):
        edit = confined_edit(atlas, requests[0], mask, STEP, steps=1)
        assert edit.size / whole == pytest.approx(STEP, rel=0.1)


def test_the_norm_of_all_weights_is_their_norm(atlas, circuit):
    weights = list(full_mask(atlas).kept)
    parameters = dict(atlas.original_model.named_parameters())
    right = math.sqrt(sum(float(parameters[name].detach().double().square().sum()) for name in weights))
    assert mask_norm(atlas, circuit.whole) == pytest.approx(right, rel=1e-4)


def test_steps_by_hand():
    assert steps_to_learn([0.1]) == 0
    assert steps_to_learn([2 * HALF, 0.0]) == pytest.approx(0.5)
    assert steps_to_learn([3.0, 2.0, 0.5]) == pytest.approx(1 + (2 - math.log(2)) / 1.5)
    assert steps_to_learn([3.0, 2.0]) == 3
    assert steps_to_learn([3.0, 1.0], 2.0) == 0.5


def test_an_edit_is_shortened_to_a_loss(atlas, circuit, requests):
    edit = confined_edit(atlas, requests[0], circuit.whole, STEP, steps=30)
    short = at_loss(atlas, edit, requests[0])
    assert short.size < edit.size
    with short:
        loss = confined_edit(atlas, requests[0], circuit.whole, STEP, steps=1).losses[0]
    assert loss == pytest.approx(SAID, abs=0.02)
    assert at_loss(atlas, edit, requests[0], 1e-9) is edit, "it never gets so far"
    assert scaled(edit, 0.25).size == pytest.approx(edit.size / 4, rel=1e-4)


def test_bad_edits(atlas, circuit, requests):
    empty = ParameterMask({n: torch.zeros_like(p) for n, p in circuit.kept.items()})
    with pytest.raises(ValueError, match="mask is empty"):
        confined_edit(atlas, requests[0], empty)


def test_rows(atlas, circuit, requests):
    places = {"circuit": circuit, "rest": ~circuit}
    ((table, losses),) = confined_rows(atlas, requests[:1], places, ["The sky is blue."], step=STEP)
    assert list(table.place) == ["circuit", "circuit", "rest", "rest"] and table.half.isin(["train", "test"]).all()
    said, far = (table[table["at"] == at] for at in ("equal loss", "equal length"))
    assert (said.efficacy == 1).all() and (table.drift > 0).all()
    assert far.length.nunique() == 1 or far.length.std() < 1e-6 and set(losses) == set(places)
    assert said.length.prod() ** 0.5 == pytest.approx(far.length.iloc[0], rel=1e-3)
    assert table.neighbourhood.between(0, 1).all()
