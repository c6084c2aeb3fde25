"""ROME in two steps: the value that makes the model say the answer, and the smallest change that writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, pad

from helpers.checks import Count, Number, Positive, checked
from helpers.editing.edit import IGNORED, Batch, SuffixRun

NotNegative = Annotated[Number, Field(ge=0)]


@checked
@dataclass(frozen=True)
class ValueSearch:
    """How the value is searched: Adam on the change `delta` of what the MLP writes at the edited position.

    Its lengths are in units of the residual stream behind the MLP, which is ten times longer in one model than in
    another: ``rate`` is the step of a component in units of the root mean square, ``decay`` weighs the squared length
    of `delta`, and `delta` never gets longer than ``clamp``. ``kl`` weighs the change of what the model says of the
    subject otherwise. The search stops when the mean loss of the answer (nats) falls below ``enough``.
    """

    steps: Count = 25
    rate: Positive = 0.2
    kl: NotNegative = 0.0625
    decay: NotNegative = 0.1
    clamp: Positive = 2.0
    enough: NotNegative = 0.02


def check_covariance(C: Tensor, size: int) -> None:
    """Raise ValueError for a key covariance that isn't a finite matrix of this size, or is zero."""
    if C.shape != (size, size) or not torch.isfinite(C).all() or not C.diagonal().sum() > 0:
        raise ValueError(f"the key covariance has shape {list(C.shape)}; needed: {size} x {size}, finite and not zero")


def least_change(
    C: Float[Tensor, "d_mlp d_mlp"], K: Float[Tensor, "key d_mlp"], V: Float[Tensor, "key d_model"], ridge: float = 0.0
) -> Float[Tensor, "d_mlp d_model"]:
    """The change `U` of the output weights with ``K U = V`` for which ``trace(U^T C U)`` is smallest.

    `U = C^-1 K^T (K C^-1 K^T + r I)^-1 V`; for one key this is the paper's equation 2. ``trace(U^T C U)`` is the mean
    squared change of what the MLP writes over the text that `C` was measured on.

    Args:
        ridge: `r` as a share of the mean of the diagonal; above 0, ``K U`` only comes near `V`.

    Raises:
        ValueError: if `C` isn't a finite square matrix of the keys' size, or the keys can't all be answered.
    """
    check_covariance(C, K.shape[1])
    C, keys = C.to(K.device).double(), K.double()
    floor = 1e-6 * C.diagonal().mean()  # neurons that never fire would make the inverse infinite
    solved, failed = torch.linalg.solve_ex(C + floor * torch.eye(len(C), device=C.device, dtype=C.dtype), keys.T)
    gram = keys @ solved
    gram = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), device=C.device, dtype=C.dtype)
    inner, same = torch.linalg.solve_ex(gram, V.double())
    U = solved @ inner
    if failed or same or not ridge and not torch.allclose(keys @ U, V.double(), atol=1e-2 * float(V.abs().max())):
        raise ValueError("the keys can't all be answered: one is zero, two are the same, or the covariance is none")
    return U.to(V.dtype)


def find_value(part: Batch, cut: SuffixRun, search: ValueSearch) -> tuple[Float[Tensor, " d_model"], list[float]]:
    """The change of what the MLP writes at the edited position that makes the model say the answer.

    Args:
        part: the texts, the prompt alone first.
        cut: the same from their edited positions on.

    Returns:
        The change, and the answer's mean loss in nats at each step.
    """
    scale = (cut.resid[0, 0] + cut.written[0, 0]).norm()
    if not torch.isfinite(scale):
        raise ValueError("what the model computes isn't finite: load it again, or undo what made it so")
    delta = torch.zeros_like(cut.resid[0, 0]).requires_grad_()
    adam = torch.optim.Adam([delta], lr=search.rate * float(scale) / len(delta) ** 0.5)
    here = pad(torch.ones(1, 1, device=delta.device), (0, 0, 0, cut.resid.shape[1] - 1))  # the first position of each

    def logits() -> Float[Tensor, "row kept d_vocab"]:
        return cut.logits(cut.written + here * delta, part.keep)

    quiet, asks, losses = ~part.asks, int(part.asks.sum()), []
    length = (part.answers != IGNORED).sum(-1).clamp_min(1)
    with torch.no_grad():
        before = logits()[quiet, 0].log_softmax(-1)
    for _ in range(search.steps):
        said = logits()
        each = cross_entropy(said.flatten(0, 1), part.answers.flatten(), ignore_index=IGNORED, reduction="none")
        answer = (each.view_as(part.answers).sum(-1) / length).sum() / asks
        losses.append(answer.item())
        if losses[-1] < search.enough:
            break
        kept = kl_div(said[quiet, 0].log_softmax(-1), before, log_target=True, reduction="batchmean")
        loss = answer + search.kl * kept + search.decay * (delta.norm() / scale) ** 2
        (delta.grad,) = torch.autograd.grad(loss, delta)
        adam.step()
        with torch.no_grad():
            delta.mul_((search.clamp * scale / delta.norm()).clamp(max=1.0))
    return delta.detach(), losses
