"""The gradient of a metric at every reader's own input, in one backward pass.

Only activations get gradients, and only where a reader reads. The blocks between two norms are differentiated by
autograd one at a time; the residual stream and the norms, which are sums and simple formulas, by hand. So a head's
gradient at its query input is there without a separate input for each head in the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import KV, Layer, Network, Norm
from helpers.models.run import Past, attention_out, qkv


class HeldNorm(Norm):
    """A norm whose scale counts as a constant when gradients are taken; it computes what the norm computes."""

    def standardize(self, x: Float[Tensor, "*at d_model"]) -> tuple[Tensor, Tensor]:
        """As `Norm.standardize`, with no gradient through the scale."""
        _, inverse = super().standardize(x.detach())
        return (x - x.mean(-1, keepdim=True) if self.centred else x) * inverse, inverse

    def backward(self, gradient: Tensor, standard: Tensor, inverse: Tensor) -> Tensor:
        """As `Norm.backward`, with the scale held."""
        gradient = gradient * self.weight
        return (gradient - gradient.mean(-1, keepdim=True) if self.centred else gradient) * inverse


@dataclass(frozen=True)
class GradientRule:
    """How a gradient is read; the forward pass stays what it is. By default it is the gradient.

    Args:
        hold_norms: the scale of every norm, the final one included, counts as a constant.
        pattern: whether queries and keys get the softmax's gradient, none (``"held"``), or that of a softmax at
            temperature 2, without the factor 1/2 of its inner derivative (``"warm"``): a saturated softmax hardly
            moves, so its own gradient says of what keeps it saturated that it doesn't matter.
        secant: the slope of an activation at z is taken to be a(z) / z, as if it were a line through 0.
        products: of a product's gradient each factor gets half, and so on down: in a gated MLP its two branches, in
            attention the pattern and the values; and the queries and keys, factors of what the pattern got.
    """

    hold_norms: bool = False
    pattern: Literal["gradient", "held", "warm"] = "gradient"
    secant: bool = False
    products: Literal["whole", "gate", "all"] = "whole"

    def applied(self, net: Network) -> Network:
        """The network that computes the same, with norms and activations whose gradients are read by the rule."""
        if not (self.hold_norms or self.secant):
            return net
        held = _held if self.hold_norms else lambda norm: norm
        layers = tuple(
            replace(
                layer,
                norm1=held(layer.norm1),
                norm2=held(layer.norm2),
                activation=_secant(layer.activation) if self.secant else layer.activation,
            )
            for layer in net.layers
        )
        return replace(net, layers=layers, norm=held(net.norm))

    def attend(self, net: Network, q: Tensor, k: Tensor, v: Tensor, past: KV = None) -> Tensor:
        """As `Network.attend`."""
        q, k, v = net.align(q, k, v, past)
        pattern = net.pattern(q, k, past)
        if self.pattern == "warm":
            warm = net.pattern(q / 2, k, past)
            pattern = pattern.detach() + 2 * (warm - warm.detach())
        return net.read_out(pattern.detach() if self.pattern == "held" else pattern, v)


GRADIENT = GradientRule()


def _held(norm: Norm) -> HeldNorm:
    return HeldNorm(**{field.name: getattr(norm, field.name) for field in fields(norm)})


def _secant(activation: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def line(z: Tensor) -> Tensor:
        value, safe = activation(z), torch.where(z == 0, 1.0, z)
        return value.detach() + (value / safe).detach() * (z - z.detach())

    return line


@dataclass(frozen=True)
class Step:
    """One sublayer of a forward run: its norm's state, its inputs as leaves, and its output in their graph."""

    norm: Norm
    standard: Tensor
    inverse: Tensor
    leaves: tuple[Tensor, ...]
    out: Tensor


def forward_steps(
    net: Network,
    resid: Float[Tensor, "batch pos d_model"],
    past: Past | None = None,
    first: int = 0,
    rule: GradientRule = GRADIENT,
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
                out = rule.attend(net, *leaves, None if past is None else past[sublayer // 2])
            resid = resid + attention_out(layer, out.detach())
        steps.append(Step(norm, standard, inverse, leaves, out))
    return steps, resid


def reader_gradients(
    net: Network,
    resid: Float[Tensor, "batch pos d_model"],
    metric: Callable[[Float[Tensor, "batch d_model"]], Float[Tensor, "*trial batch"]],
    past: Past | None = None,
    first: int = 0,
    rule: GradientRule = GRADIENT,
) -> Iterator[tuple[int, Float[Tensor, "reader batch pos d_model"]]]:
    """Run the model from a residual stream on and give the gradient at the readers of each sublayer, last one first.

    Args:
        resid: the residual stream before sublayer ``first``.
        metric: one value for each final residual at the last position; their sum is differentiated.
        rule: how gradients are read; ``net`` is one that it was applied to (`GradientRule.applied`).

    Yields:
        (sublayer, gradients), beginning with the logits as sublayer ``2 * n_layers``.
    """
    with torch.no_grad():
        steps, final = forward_steps(net, resid, past, first, rule)
    yield from step_gradients(net, steps, final, metric, rule)


def step_gradients(
    net: Network,
    steps: list[Step],
    final: Float[Tensor, "batch pos d_model"],
    metric: Callable[[Float[Tensor, "batch d_model"]], Float[Tensor, "*trial batch"]],
    rule: GradientRule = GRADIENT,
    parts: Float[Tensor, "part batch pos"] | None = None,
) -> Iterator[tuple[int, Float[Tensor, "reader batch pos d_model"]]]:
    """The backward half of `reader_gradients`; the steps' graphs are gone afterwards.

    Args:
        parts: masks that share out the positions. Then gradients are ``[part reader batch pos d_model]``, by where that
            which is read is used: keys and values at the positions of the queries that look at them.
    """
    last = final[:, -1].requires_grad_()
    with torch.enable_grad():
        value = metric(last).sum()
    down = torch.zeros_like(final)  # the gradient at the residual stream, from the readers seen so far
    down[:, -1] = torch.autograd.grad(value, last)[0]
    end = 2 * len(net.layers)
    yield end, down[None].clone() if parts is None else down[None, None] * parts[:, None, :, :, None]
    for sublayer in reversed(range(end - len(steps), end)):
        step, layer = steps.pop(), net.layers[sublayer // 2]
        gradient_of = partial(_mlp_gradient if sublayer % 2 else _attention_gradient, layer, step, rule)
        if parts is None:
            own = gradient_of(down)
        else:
            own = torch.stack([gradient_of(down * part[..., None], keep=True) for part in parts])
        gradients = step.norm.backward(own, step.standard, step.inverse)
        down = down + gradients.flatten(0, -4).sum(0)
        yield sublayer, gradients


def _mlp_gradient(
    layer: Layer, step: Step, rule: GradientRule, down: Tensor, keep: bool = False
) -> Float[Tensor, "1 batch pos d_model"]:
    own = torch.autograd.grad(step.out, step.leaves, down @ layer.W_out.T, retain_graph=keep)[0][None]
    return own if rule.products == "whole" or layer.W_gate is None else own / 2


def _attention_gradient(
    layer: Layer, step: Step, rule: GradientRule, down: Tensor, keep: bool = False
) -> Float[Tensor, "reader batch pos d_model"]:
    at_heads = (down @ layer.W_O.flatten(0, 1).T).view_as(step.out)
    held = rule.pattern == "held"  # then nothing leads to queries and keys
    own = torch.autograd.grad(step.out, step.leaves, at_heads, retain_graph=keep, materialize_grads=held)
    if rule.products == "all":
        own = (own[0] / 4, own[1] / 4, own[2] / 2)
    shape = down.shape[:2]
    return torch.cat(
        [
            (g.permute(2, 0, 1, 3).flatten(1, 2) @ W.transpose(1, 2)).unflatten(1, shape)
            for g, W in zip(own, (layer.W_Q, layer.W_K, layer.W_V), strict=True)
        ]
    )
