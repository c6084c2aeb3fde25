"""Edits: changed weights that can be put in and taken out again.

Every editor returns an `Edit` that isn't in the model yet. ``with edit:`` puts it in for a block; `Edit.apply` and
`Edit.undo` do so for as long as you like. The old weights come back bit by bit, also after an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network


@dataclass(frozen=True, eq=False)
class Edit:
    """New values of some weights of a model.

    ``places`` are the model's own tensors (or views of them), ``before`` and ``after`` their values without and with
    the edit; ``losses`` is the course of the optimisation, ``about`` what the editor found out on its way.
    """

    places: Mapping[str, Tensor]
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    losses: tuple[float, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def applied(self) -> bool:
        """Whether the model's weights are the edit's at the moment."""
        return _equal(self.places, self.after)

    @property
    def size(self) -> float:
        """The Frobenius norm of the change, all weights together."""
        return float(sum((self.after[n] - self.before[n]).double().square().sum() for n in self.places)) ** 0.5

    def apply(self) -> Edit:
        """Put the edit into the model.

        Raises:
            ValueError: if the weights aren't those that the edit was computed for.
        """
        if not _equal(self.places, self.before):
            raise ValueError(
                "the edit is in the model already"
                if self.applied
                else "the weights have changed since this edit was computed; undo what came later, or compute it again"
            )
        _copy(self.places, self.after)
        return self

    def undo(self) -> None:
        """Bring the old weights back, bit by bit.

        Raises:
            ValueError: if the weights aren't the edit's, because it isn't in or another one came after it.
        """
        if not self.applied:
            raise ValueError("the edit isn't in the model, or a later one lies above it; undo that one first")
        _copy(self.places, self.before)

    def __enter__(self) -> Edit:
        return self.apply()

    def __exit__(self, *error: object) -> None:
        _copy(self.places, self.before)  # whatever the block did to these weights


def _equal(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(places[name], values[name]) for name in places)


@torch.no_grad()
def _copy(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, place in places.items():
        place.copy_(values[name])


def output_weights(model, layer: int) -> dict[str, Float[Tensor, "d_mlp d_model"]]:
    """The output weights of one MLP under their name: a view into the model, whatever layout it keeps them in.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    layers = read_network(model).layers
    if not 0 <= layer < len(layers):
        raise ValueError(f"no layer {layer}; the model's are 0 to {len(layers) - 1}")
    return {f"layers.{layer}.mlp.W_out": layers[layer].W_out.detach()}


def make_edit(places: Mapping[str, Tensor], after: Mapping[str, Tensor], losses: Sequence[float] = (), **about) -> Edit:
    """An edit from the places of some weights and their new values; the present ones are kept.

    Raises:
        ValueError: if a new value isn't finite: the optimisation has diverged.
    """
    for name, value in after.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"the new {name} isn't finite: the optimisation diverged; take a smaller learning rate")
    before = {name: place.detach().clone() for name, place in places.items()}
    kept = {name: value.detach().clone() for name, value in after.items()}
    return Edit(dict(places), before, kept, tuple(losses), about)
