"""Muon: momentum whose update of a weight matrix is made orthogonal, so that all directions learn equally fast.

Source: K. Jordan et al., Muon (2024). ``torch.optim.Muon`` is the same method, but orthogonalises in bfloat16, which
on a processor without bfloat16 units takes four times as long as the training step itself (3.8 s against 0.9 s for
Atlas); this one uses float32 and treats all matrices of one shape in a single batch.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from jaxtyping import Float
from torch import Tensor


def orthogonalize(matrices: Float[Tensor, "n rows cols"], steps: int = 5) -> Float[Tensor, "n rows cols"]:
    """Nearly orthogonal matrices with the same singular vectors, by a quintic Newton-Schulz iteration."""
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    x = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x if matrices.shape[-2] <= matrices.shape[-1] else x.mT


class Muon(torch.optim.Optimizer):
    """Muon for two-dimensional weights; a weight that stacks q, k and v (three times as wide as high) is cut first.

    ``inputs_first`` says that weights are ``[in, out]``: a step is larger where there are more outputs than inputs.
    """

    def __init__(
        self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0, inputs_first: bool = True
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.inputs_first = inputs_first

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One update of all weights that have a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(momentum, group["momentum"])
                parts = 3 if p.shape[1] == 3 * p.shape[0] else 1
                for weight, part in zip(p.chunk(parts, 1), update.chunk(parts, 1), strict=True):
                    by_shape[weight.shape].append((weight, part))
            for shape, pairs in by_shape.items():
                inputs, outputs = shape if self.inputs_first else reversed(shape)
                scale = group["lr"] * max(1.0, outputs / inputs) ** 0.5
                updates = orthogonalize(torch.stack([part for _, part in pairs]))
                for (weight, _), update in zip(pairs, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)
