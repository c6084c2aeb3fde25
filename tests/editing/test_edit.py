"""What goes in comes out again, bit by bit, whatever happens in between."""

import pytest
import torch

from helpers.editing.edit import make_edit, output_weights, weights_restored
from helpers.editing.fine_tuning import named_weights


def weights(model):
    return {name: value.detach().clone() for name, value in model.original_model.named_parameters()}


def same(model, kept):
    return all(torch.equal(value, kept[name]) for name, value in model.original_model.named_parameters())


@pytest.fixture
def edit(small):
    model, _ = small
    places = output_weights(model, 1)
    return make_edit(places, {name: place * 1.1 + 0.3 for name, place in places.items()})


def test_in_and_out(small, edit):
    model, pairs = small
    kept, tokens = weights(model), pairs.groups()[0][1].clean_tokens
    before = model(tokens)
    with edit as inside:
        assert inside is edit and edit.applied and not same(model, kept)
        assert not torch.allclose(model(tokens), before)  # the view is the model's own tensor, in either layout
    assert same(model, kept) and torch.equal(model(tokens), before) and not edit.applied
    assert edit.apply() is edit and edit.applied
    edit.undo()
    assert same(model, kept)


def test_an_error_inside_is_no_harm(small, edit):
    model, _ = small
    kept = weights(model)
    with pytest.raises(RuntimeError, match="oops"), edit:
        next(iter(edit.places.values())).zero_()
        raise RuntimeError("oops")
    assert same(model, kept)


def test_edits_nest(small, edit):
    model, _ = small
    kept = weights(model)
    with edit:
        later = make_edit(edit.places, {name: place * 2 for name, place in edit.places.items()})
        with later:
            with pytest.raises(ValueError, match="undo that one first"):
                edit.undo()
        assert edit.applied
    assert same(model, kept)


def test_only_where_it_belongs(small, edit):
    with pytest.raises(ValueError, match="isn't in the model"):
        edit.undo()
    with edit:
        with pytest.raises(ValueError, match="in the model already"):
            edit.apply()
        later = make_edit(edit.places, {name: place + 1 for name, place in edit.places.items()})
    with pytest.raises(ValueError, match="have changed"):
        later.apply()


def test_size(small):
    model, _ = small
    places = output_weights(model, 0)
    ((name, place),) = places.items()
    change = torch.zeros_like(place)
    change[0, :2] = torch.tensor([3.0, 4.0])
    assert make_edit(places, {name: place + change}).size == pytest.approx(5.0, rel=1e-3)


def test_bad_inputs(small):
    model, _ = small
    with pytest.raises(ValueError, match="no layer 7"):
        output_weights(model, 7)
    places = output_weights(model, 0)
    with pytest.raises(ValueError, match="diverged"):
        make_edit(places, {name: place * float("nan") for name, place in places.items()})


def test_whatever_happens_the_weights_come_back(small):
    model, _ = small
    kept, places = weights(model), named_weights(model)
    wanted = {name: place.requires_grad for name, place in places.items()}
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), weights_restored(places):
            with torch.no_grad():
                for place in places.values():
                    place.requires_grad_(not place.requires_grad).add_(1)
            raise error
        assert same(model, kept) and {name: place.requires_grad for name, place in places.items()} == wanted
