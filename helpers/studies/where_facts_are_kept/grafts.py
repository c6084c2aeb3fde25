"""Weights grafted by position: one model's weights work at some positions of a prompt, another's at all others.

Patching a state can't tell whether a place holds the fact or only says who is meant. Grafting can: if a model that
learnt a fact lends its weights to the subject's positions alone, and the answer is there, the fact was added there.
(Dynamic weight grafting: arXiv 2506.20746.)
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.models.network import Network
from helpers.models.run import attention_out, qkv


@torch.no_grad()
def grafted(
    base: Network, donor: Network, tokens: Int[Tensor, "batch pos"], taken: Bool[Tensor, "batch pos"]
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the last position when ``donor``'s weights work at the positions ``taken``, ``base``'s elsewhere.

    A position's weights are those that embed it, make its queries, keys and values, write what its heads have read,
    and its MLPs; at the last position also the unembedding.

    Raises:
        ValueError: for models of different shapes.
    """
    if [p.shape for p in (base.W_E, base.layers[0].W_Q)] != [p.shape for p in (donor.W_E, donor.layers[0].W_Q)] or (
        len(base.layers) != len(donor.layers)
    ):
        raise ValueError("weights can be grafted between models of one shape")

    def choose(theirs: Tensor, ours: Tensor) -> Tensor:
        return torch.where(taken.view(*taken.shape, *[1] * (ours.ndim - 2)), theirs, ours)

    resid = choose(donor.embed(tokens), base.embed(tokens))
    for ours, theirs in zip(base.layers, donor.layers, strict=True):
        both = (qkv(layer, layer.norm1(resid)) for layer in (theirs, ours))
        z = base.attend(*(choose(*pair) for pair in zip(*both, strict=True)))
        resid = resid + choose(attention_out(theirs, z), attention_out(ours, z))
        written = (layer.neurons(layer.norm2(resid)) @ layer.W_out + layer.b_out for layer in (theirs, ours))
        resid = resid + choose(*written)
    last = resid[:, -1:]
    ends = torch.stack((donor.unembed(last)[:, 0], base.unembed(last)[:, 0]))
    return torch.where(taken[:, -1:], *ends)
