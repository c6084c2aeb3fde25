"""What goes in comes out again, bit by bit, whatever happens in between."""

import sys

import pytest
import torch
from small_models import random_model

from helpers.editing.edit import contexts, make_edit
from helpers.editing.requests import EditRequest
from helpers.editing.weights import Weights, named_weights, output_weights, put_weights, weights_restored


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


def cast(model):
    model.to(torch.bfloat16)


def loaded(model):
    model.load_state_dict({name: value * 1.5 for name, value in model.state_dict().items()}, assign=True)


def trained(model):
    with torch.no_grad():
        for place in model.original_model.parameters():
            place.add_(0.01)


@pytest.fixture
def own(tmp_path):
    """A model that may be spoilt, and an edit of it."""
    model = random_model("gpt2", tmp_path)
    places = output_weights(model, 1)
    return model, make_edit(places, {name: place * 1.1 + 0.3 for name, place in places.items()})


@pytest.mark.parametrize("change", [cast, loaded, trained])
def test_an_edit_of_a_model_that_changed_is_refused(own, change):
    model, edit = own
    change(model)
    kept = weights(model)
    with pytest.raises(ValueError, match="have changed since this edit"):
        edit.apply()
    assert same(model, kept) and not edit.applied


@pytest.mark.parametrize("change", [loaded, trained])
def test_a_model_that_changed_with_the_edit_in_stays_as_it_is(own, change):
    model, edit = own
    with pytest.raises(ValueError, match="stay as they are"), edit:
        change(model)
        kept = weights(model)
    assert same(model, kept)
    with pytest.raises(ValueError, match="something came after it"):
        edit.undo()


def test_the_same_weights_elsewhere_are_edited(own):
    """Other tensors with the same values: the edit acts on those that the model has now."""
    model, edit = own
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()}, assign=True)
    kept = weights(model)
    with edit:
        assert not same(model, kept) and edit.applied
        for place in model.original_model.parameters():
            place.data = place.data.clone()
    assert same(model, kept)


def test_a_cast_inside_leaves_the_cast_of_the_old_weights(own):
    model, edit = own
    kept = {name: value.to(torch.bfloat16) for name, value in weights(model).items()}
    with edit:
        cast(model)
    assert same(model, kept)


def test_the_blocks_own_error_comes_through(own):
    model, edit = own
    with pytest.raises(RuntimeError, match="oops") as found, edit:
        trained(model)
        model.to(torch.float64)
        raise RuntimeError("oops")
    assert sys.version_info < (3, 11) or "stay as they are" in found.value.__notes__[0]


def test_half_an_edit_is_undone(small, monkeypatch):
    model, _ = small
    kept, places = weights(model), named_weights(model)
    edit, done = make_edit(places, {name: place + 1 for name, place in places.items()}), []

    def interrupted(places, values):
        done.append(1)
        for number, (name, place) in enumerate(places.items()):
            if len(done) < 3 and number == 3:  # the first repair is interrupted, too
                raise KeyboardInterrupt
            place.data.copy_(values[name])

    for module in ("edit", "weights"):
        monkeypatch.setattr(f"helpers.editing.{module}.put_weights", interrupted)
    with pytest.raises(KeyboardInterrupt), edit:
        pytest.fail("the edit isn't in")
    assert same(model, kept) and len(done) == 3
    put_weights(Weights(model, places.names[:2]), edit.after)
    edit.undo()
    assert same(model, kept)


def test_edits_in_and_out_twice(small, edit):
    model, _ = small
    kept = weights(model)
    with edit:
        with pytest.raises(ValueError, match="in the model already"), edit:
            pass
        edit.undo()  # by the block itself: then there is nothing left to do
    assert same(model, kept)


def test_weights_tied_later_are_refused(tmp_path):
    """With the unembedding tied to it, an edit of the embedding would be another edit."""
    model = random_model("llama", tmp_path)
    places = Weights(model, named_weights(model).names[:1])
    edit = make_edit(places, {name: place + 1 for name, place in places.items()})
    model.original_model.lm_head._original_component.weight = model.original_model.get_parameter(places.names[0])
    with pytest.raises(ValueError, match="have changed"):
        edit.apply()


def test_weights_that_were_cast_cannot_come_back(own):
    model, _ = own
    with pytest.raises(ValueError, match="cast, resized, tied"), weights_restored(named_weights(model)):
        cast(model)
    with pytest.raises(RuntimeError, match="oops"), weights_restored(named_weights(model)):
        model.to(torch.float64)
        raise RuntimeError("oops")
    with pytest.raises(Exception, match="by their names|places"), weights_restored(dict(named_weights(model))):
        pass


def test_bad_values(small):
    places = output_weights(small[0], 0)
    ((name, place),) = places.items()
    for after, message in (({}, "a new value for each"), ({name: place[:1]}, "has shape"), ({"W": place}, "not .'W'.")):
        with pytest.raises(ValueError, match=message):
            make_edit(places, after)
    for layer in (-1, True, 1.0, None):
        with pytest.raises(ValueError, match="layer"):
            output_weights(small[0], layer)
    with pytest.raises(ValueError, match="places has to be"):
        make_edit({name: place}, {name: place})


@pytest.mark.parametrize("template, at", [("In reading about {}, you are", 4), ("{} is about reading", 1)])
def test_the_subject_is_where_the_template_has_it(atlas, template, at):
    """Not the first match of its text in the prompt."""
    request = EditRequest("Reading", template, "here", "there")
    for behind, row in enumerate(contexts(atlas.tokenizer, request, ["Reading is in England."])):
        text = atlas.tokenizer.decode(row.ids[1 : row.at + 1])
        assert text.split()[-1] == "Reading" and len(text.split()) - 4 * behind == at
