"""More ways to write values into an MLP's output weights: within the null space of usual keys, and many at once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.editing.edit import Edit, make_edit
from helpers.editing.value_search import least_change
from helpers.editing.weights import output_weights

USUAL = 0.99  # of what usual keys do is left outside the null space


def null_space(C: Float[Tensor, "d_mlp d_mlp"], usual: float = USUAL) -> Float[Tensor, "d_mlp d_mlp"]:
    """AlphaEdit's projection onto directions that usual keys hardly use (arXiv 2410.02355, section 3).

    The paper keeps the eigenvectors of the key covariance with eigenvalues below a threshold; here the threshold is
    relative: what is kept holds ``1 - usual`` of the trace.
    """
    values, vectors = torch.linalg.eigh(C.double())
    kept = vectors[:, values.clamp_min(0).cumsum(0) <= (1 - usual) * values.clamp_min(0).sum()]
    return kept @ kept.T


def projected_change(
    P: Float[Tensor, "d_mlp d_mlp"], K: Float[Tensor, "key d_mlp"], V: Float[Tensor, "key d_model"]
) -> Float[Tensor, "d_mlp d_model"]:
    """The smallest change within a null space that answers each key with its value: ``P K^T (K P K^T)^-1 V``."""
    keys = K.double()
    inside = P @ keys.T
    return (inside @ torch.linalg.solve(keys @ inside, V.double())).to(V.dtype)


def change_edit(model, layer: int, change: Float[Tensor, "d_mlp d_model"]) -> Edit:
    """A change of one MLP's output weights as an edit."""
    ((name, W),) = (places := output_weights(model, layer)).items()
    return make_edit(places, {name: W + change.to(W)})


def changes_at_once(
    C: Tensor, P: Tensor, K: Float[Tensor, "key d_mlp"], V: Float[Tensor, "key d_model"]
) -> dict[str, Float[Tensor, "d_mlp d_model"]]:
    """Three ways to write many values: the sum of single edits, MEMIT's solution in one layer, and AlphaEdit's.

    MEMIT (arXiv 2210.07229) spreads the values over several layers and lets the keys be missed a little; neither is
    done here.
    """
    single = sum(least_change(C, K[[n]], V[[n]]) for n in range(len(K)))
    return {"single edits, added": single, "MEMIT": least_change(C, K, V), "AlphaEdit": projected_change(P, K, V)}
