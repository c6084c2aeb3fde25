"""Weights of a model by their names, looked up whenever they are asked for, and brought back after a change."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from helpers.checks import Model, Whole, checked
from helpers.models.network import read_network


@dataclass(frozen=True, eq=False)
class Weights(Mapping[str, Tensor]):
    """Some weights of a model. Only their names are kept: each is looked up when it is asked for, so it is what the
    model computes with at that moment, also after the model was cast, moved or loaded anew.
    """

    model: Any = field(repr=False)
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(name)
        try:
            if name.startswith("layers."):
                return self.model.blocks[int(name.split(".")[1])].mlp.W_out.detach()
            return self.model.original_model.get_parameter(name)
        except (AttributeError, IndexError):
            raise ValueError(f"the model has no weight {name!r} any more; load it again") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def kinds(self) -> dict[str, tuple]:
        """What can't be written back with the values: each weight's shape and type, and which end it shares."""
        ends = [self.model.W_E.data_ptr(), self.model.W_U.data_ptr()]  # tied or not
        return {n: (w.shape, w.dtype, *(w.data_ptr() == end for end in ends)) for n, w in self.items()}


@checked
def named_weights(model: Model) -> Weights:
    """The model's weights by name, each once: what masks are named by."""
    return Weights(model, tuple(name for name, _ in model.original_model.named_parameters()))


@checked
def output_weights(model: Model, layer: Whole) -> Weights:
    """The output weights ``[d_mlp d_model]`` of one MLP under their name, whatever layout the model keeps them in.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    read_network(model).check_layer(layer)
    return Weights(model, (f"layers.{layer}.mlp.W_out",))


def check_precision(model) -> None:
    """Raise ValueError for a model of less than float32's precision, in which small changes are rounded away."""
    if model.W_E.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"editing needs float32 weights, not {model.W_E.dtype}; load the model with dtype='float32'")


@torch.no_grad()
def put_weights(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Give a model's own tensors new values, by their names."""
    for name, place in places.items():
        place.copy_(values[name])


def put_back(places: Weights, before: Mapping[str, Tensor]) -> None:
    """`put_weights` that ends its work when it is interrupted."""
    try:
        put_weights(places, before)
    except BaseException:
        put_weights(places, before)
        raise


def refuse(reason: str, error: BaseException | None) -> None:
    """Raise ValueError; or say the reason in an error that is on its way, without taking its place."""
    if error is None:
        raise ValueError(reason) from None
    getattr(error, "add_note", warnings.warn)(reason)  # Python 3.10 has no notes


@contextmanager
def weights_restored(places: Weights) -> Iterator[None]:
    """Whatever the block does to these weights, they come back bit by bit, also after an error or an interrupt.

    Args:
        places: such as `named_weights` gives; whether they want gradients comes back, too.

    Raises:
        ValueError: if they can't, because the block cast, resized, tied or untied them; then they stay as they are.
            After an error of the block, that one says so in a note.
    """
    if not isinstance(places, Weights):
        raise ValueError("weights are brought back by their names; give named_weights(model) or output_weights(...)")
    kinds, before = places.kinds(), {name: place.detach().clone() for name, place in places.items()}
    learnt, failed = {name: place.requires_grad for name, place in places.items()}, None
    try:
        yield
    except BaseException as error:
        failed = error
        raise
    finally:
        if places.kinds() == kinds:
            put_back(places, before)
            for name, place in places.items():
                place.requires_grad_(learnt[name])
        else:
            refuse(
                "the block cast, resized, tied or untied weights: the old ones can't come back; load it again", failed
            )
