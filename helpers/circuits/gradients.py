"""The gradient of a metric at every reader's own input, in one backward pass.

Only activations get gradients, and only where a reader reads. The blocks between two norms are differentiated by
autograd one at a time; the residual stream and the norms, which are sums and simple formulas, by hand. So a head's
gradient at its query input is there without a separate input for each head in the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import Layer, Network, Norm
from helpers.models.run import Past, attention_out, qkv


@dataclass(frozen=True)
class Step:
    """One sublayer of a forward run: its norm's state, its inputs as leaves, and its output in their graph."""

    norm: Norm
    standard: Tensor
    inverse: Tensor
    leaves: tuple[Tensor, ...]
    out: Tensor


def forward_steps(
    net: Network, resid: Float[Tensor, "batch pos d_model"], past: Past | None = None, first: int = 0
) -> tuple[list[Step], Float[Tensor, "batch pos d_model"]]:
    """Run the sublayers from ``first`` on (0 is the first layer's attention, 1 its MLP, ...) and keep their graphs."""
    steps = []
    for sublayer in range(first, 2 * len(net.layers)):
        layer, is_mlp = net.layers[sublayer // 2], sublayer % 2
        norm = layer.norm2 if is_mlp else layer.norm1
        standard, inverse = norm.standardize(resid)
        x = norm.affine(standard)
        if is_mlp:
            leaves = (x.requires_grad_(),)
            with torch.enable_grad():
                out = layer.neurons(x)
            resid = (
                torch.addmm(resid.flatten(0, 1), out.detach().flatten(0, 1), layer.W_out).view_as(resid) + layer.b_out
            )
        else:
            leaves = tuple(t.requires_grad_() for t in qkv(layer, x))
            with torch.enable_grad():
                out = net.attend(*leaves, None if past is None else past[sublayer // 2])
            resid = resid + attention_out(layer, out.detach())
        steps.append(Step(norm, standard, inverse, leaves, out))
    return steps, resid


def reader_gradients(
    net: Network,
    resid: Float[Tensor, "batch pos d_model"],
    metric: Callable[[Float[Tensor, "batch d_model"]], Float[Tensor, "*trial batch"]],
    past: Past | None = None,
    first: int = 0,
) -> Iterator[tuple[int, Float[Tensor, "reader batch pos d_model"]]]:
    """Run the model from a residual stream on and give the gradient at the readers of each sublayer, last one first.

    Args:
        resid: the residual stream before sublayer ``first``.
        metric: one value for each final residual at the last position; their sum is differentiated.

    Yields:
        (sublayer, gradients), beginning with the logits as sublayer ``2 * n_layers``.
    """
    with torch.no_grad():
        steps, final = forward_steps(net, resid, past, first)
    last = final[:, -1].requires_grad_()
    with torch.enable_grad():
        value = metric(last).sum()
    down = torch.zeros_like(resid)  # the gradient at the residual stream, from the readers seen so far
    down[:, -1] = torch.autograd.grad(value, last)[0]
    yield 2 * len(net.layers), down[None].clone()
    for sublayer in reversed(range(first, 2 * len(net.layers))):
        step, layer = steps.pop(), net.layers[sublayer // 2]
        own = _mlp_gradient(layer, step, down) if sublayer % 2 else _attention_gradient(layer, step, down)
        gradients = step.norm.backward(own, step.standard, step.inverse)
        down = down + gradients.sum(0)
        yield sublayer, gradients


def _mlp_gradient(layer: Layer, step: Step, down: Tensor) -> Float[Tensor, "1 batch pos d_model"]:
    return torch.autograd.grad(step.out, step.leaves, down @ layer.W_out.T)[0][None]


def _attention_gradient(layer: Layer, step: Step, down: Tensor) -> Float[Tensor, "reader batch pos d_model"]:
    at_heads = (down @ layer.W_O.flatten(0, 1).T).view_as(step.out)
    own = torch.autograd.grad(step.out, step.leaves, at_heads)
    shape = down.shape[:2]
    return torch.cat(
        [
            (g.permute(2, 0, 1, 3).flatten(1, 2) @ W.transpose(1, 2)).unflatten(1, shape)
            for g, W in zip(own, (layer.W_Q, layer.W_K, layer.W_V), strict=True)
        ]
    )
