"""How near other keys are to the edited one, and so whom an edit changes besides its own subject.

An edit of an MLP's output weights adds something to what the MLP writes at every position of every prompt. How much
depends on the neurons there, the *key*: at the edited key it is all of it, elsewhere hopefully nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.editing.edit import At, contexts, make_batch
from helpers.editing.requests import EditRequest
from helpers.models.network import read_network


@torch.no_grad()
def edit_keys(model, requests: Sequence[EditRequest], layer: int, at: At) -> Float[Tensor, "request d_mlp"]:
    """The neurons of an MLP at the place that an editor looks at, for each request's own prompt alone."""
    part = make_batch([contexts(model.tokenizer, request, at=at)[0] for request in requests], model.W_E.device)
    return part.cut(read_network(model), layer).keys


def key_overlap(
    change: Float[Tensor, "d_mlp d_model"], own: Float[Tensor, " d_mlp"], keys: Float[Tensor, "key d_mlp"]
) -> Float[Tensor, " key"]:
    """How much of what an edit writes at its own key it also writes at other keys: 1 all of it, 0 nothing.

    The part of ``key @ change`` along ``own @ change``, as a share of its length.
    """
    value = own @ change
    return keys @ change @ value / (value @ value)


def key_similarity(
    moment: Float[Tensor, "d_mlp d_mlp"], own: Float[Tensor, " d_mlp"], keys: Float[Tensor, "key d_mlp"]
) -> Float[Tensor, " key"]:
    """``k^T C^-1 k* / k*^T C^-1 k*``: with one key the same as `key_overlap` (arXiv 2202.05262, equation 2)."""
    C, own = moment.double(), own.double()
    floor = 1e-6 * C.diagonal().mean()  # as in `least_change`
    solved = torch.linalg.solve(C + floor * torch.eye(len(C), device=C.device, dtype=C.dtype), own)
    return (keys.double() @ solved / (own @ solved)).to(keys.dtype)
