"""Gradient edits change what they may and nothing else, and their gradients are the model's."""

import pytest
import torch

from helpers.editing.edit import contexts, make_batch
from helpers.editing.fine_tuning import answer_loss, fine_tune, ft_l, ft_m
from helpers.editing.requests import EditRequest
from helpers.editing.weights import named_weights
from helpers.models.network import read_network
from helpers.models.predict import logits_after, prompt_ids
from helpers.models.run import resume

REQUEST = EditRequest("France", "The capital of {} is", "Paris", "Rome", wordings=("{} has its capital in",))


def snapshot(model):
    return {name: value.detach().clone() for name, value in named_weights(model).items()}


def says(model, text):
    ids = [prompt_ids(model.tokenizer, text)]
    return model.tokenizer.decode([int(logits_after(read_network(model), ids)[:, 0][0].argmax())]).strip()


@pytest.mark.parametrize("editor", ["ft_m", "ft_l", "fine_tune"])
def test_the_answer_is_learnt_and_forgotten(atlas, editor):
    kept = snapshot(atlas)
    make = {
        "ft_m": lambda: ft_m(atlas, REQUEST, 4, wordings=1),
        "ft_l": lambda: ft_l(atlas, REQUEST, 4, wordings=1, bound=0.5),
        "fine_tune": lambda: fine_tune(atlas, REQUEST, wordings=1),
    }[editor]
    edit = make()
    assert all(torch.equal(value, kept[name]) for name, value in named_weights(atlas).items())
    assert edit.losses[-1] < edit.losses[0]
    with edit:
        assert says(atlas, REQUEST.text) == "Rome"
    assert says(atlas, REQUEST.text) == "Paris"
    assert all(torch.equal(value, kept[name]) for name, value in named_weights(atlas).items())
    assert not any(p.requires_grad or p.grad is not None for p in named_weights(atlas).values())


def test_one_mlp_is_one_mask(small):
    """FT-M is fine-tuning with a mask that is open on one MLP's output weights alone."""
    model, _ = small
    W = read_network(model).layers[0].W_out
    (name,) = [n for n, p in named_weights(model).items() if p.data_ptr() == W.data_ptr()]
    free = fine_tune(model, REQUEST, masks={name: torch.ones_like(named_weights(model)[name])}, steps=3, rate=0.02)
    one = ft_m(model, REQUEST, 0, steps=3, rate=0.02)
    learnt = free.after[name] if free.after[name].shape == W.shape else free.after[name].T
    assert one.losses == pytest.approx(free.losses, rel=1e-3)
    both = learnt if torch.allclose(learnt, next(iter(one.after.values())), atol=1e-2) else learnt.T
    assert torch.allclose(both, next(iter(one.after.values())), atol=1e-2)


def test_the_leash_holds(small):
    model, _ = small
    edit = ft_l(model, REQUEST, 1, bound=0.03, steps=5)
    ((name, after),) = edit.after.items()
    unit = edit.before[name].square().mean().sqrt()
    change = (after - edit.before[name]).abs().max() / unit
    assert 0.02 < change <= 0.0301


def test_a_mask_confines_the_edit(small):
    model, _ = small
    torch.manual_seed(0)
    names = list(named_weights(model))[:6]
    masks = {n: (torch.rand_like(named_weights(model)[n]) < 0.3).float() for n in names}
    edit = fine_tune(model, REQUEST, masks=masks, steps=4)
    assert set(edit.places) == set(names)
    for name, mask in masks.items():
        changed = edit.after[name] != edit.before[name]
        assert not (changed & (mask == 0)).any()
    assert any((edit.after[n] != edit.before[n]).any() for n in names)


def test_gradients_are_the_models(small):
    model, _ = small
    part = make_batch(contexts(model.tokenizer, REQUEST, (), 1))
    weights = {n: p for n, p in named_weights(model).items() if p.ndim == 2}
    try:
        for p in weights.values():
            p.requires_grad_(True)
        net = read_network(model)
        ours = torch.autograd.grad(
            answer_loss(resume(net, net.embed(part.tokens), keep=part.keep), part),
            list(weights.values()),
            allow_unused=True,
        )
        logits = model(part.tokens)[torch.arange(len(part.tokens))[:, None], part.keep]
        theirs = torch.autograd.grad(answer_loss(logits, part), list(weights.values()), allow_unused=True)
    finally:
        for p in weights.values():
            p.requires_grad_(False)
    for name, a, b in zip(weights, ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            assert torch.allclose(a, b, rtol=1e-2, atol=1e-3 * float(b.abs().max()) + 1e-6), name


def test_an_error_on_the_way_leaves_the_model(small, monkeypatch):
    model, _ = small
    kept = snapshot(model)
    calls = []

    def fails(*arguments, **options):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("out of memory")
        return resume(*arguments, **options)

    monkeypatch.setattr("helpers.editing.fine_tuning.resume", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        fine_tune(model, REQUEST)
    assert all(torch.equal(value, kept[name]) for name, value in named_weights(model).items())
    assert not any(p.requires_grad for p in named_weights(model).values())


def test_bad_inputs(small):
    model, _ = small
    name, weight = next(iter(named_weights(model).items()))
    for masks, message in (
        ({}, "mask is empty"),
        ({"w": weight}, "no weight 'w'"),
        ({name: weight[:2]}, "has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            fine_tune(model, REQUEST, masks=masks)
    with pytest.raises(ValueError, match="no requests"):
        fine_tune(model, [])
    with pytest.raises(ValueError, match="bound has to be greater than 0"):
        ft_l(model, REQUEST, 0, bound=0.0)
    for options in ({"steps": 0}, {"rate": float("nan")}, {"rate": -1.0}, {"wordings": 1.5}, {"bound": float("inf")}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} has to be"):
            ft_l(model, REQUEST, 0, **options)
    with pytest.raises(ValueError, match="requests"):
        fine_tune(model, "France")


def test_the_finished_edit_is_measured(atlas):
    assert ft_m(atlas, REQUEST, 4).about["probability"] > 0.9
    assert ft_l(atlas, REQUEST, 4, bound=1e-4, steps=2).about["probability"] < 0.1
