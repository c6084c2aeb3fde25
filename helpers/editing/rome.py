"""ROME: write one fact into one MLP by a rank-one change (arXiv 2202.05262, section 3.1).

An MLP's output weights `W` answer keys (its neurons) with values (what it writes). The edit finds a value `v*` that
makes the model say the new answer, and the smallest change of `W` that answers the subject's key with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div
from tqdm.auto import tqdm

from helpers.editing.contexts import IGNORED, At, Batch, SuffixRun, batches, contexts, essence, sample_prefixes
from helpers.editing.covariance import key_covariance
from helpers.editing.edit import Edit, make_edit, output_weights
from helpers.editing.requests import EditRequest
from helpers.models.network import read_network

Keys = Literal["mean", "each"]


@dataclass(frozen=True)
class ValueSearch:
    """How the value is searched: Adam on the change `delta` of what the MLP writes at the edited position.

    Its lengths are in units of the residual stream behind the MLP, which is ten times longer in one model than in
    another: ``rate`` is the step of a component in units of the root mean square, ``decay`` weighs the squared length
    of `delta`, and `delta` never gets longer than ``clamp``. ``kl`` weighs the change of what the model says of the
    subject otherwise. The search stops when the mean loss of the answer (nats) falls below ``enough``.
    """

    steps: int = 25
    rate: float = 0.2
    kl: float = 0.0625
    decay: float = 0.1
    clamp: float = 2.0
    enough: float = 0.02


def rome(
    model,
    request: EditRequest,
    layer: int,
    *,
    at: At = "subject_last",
    prefixes: Sequence[str] | None = None,
    wordings: int = 0,
    keys: Keys = "mean",
    ridge: float = 0.0,
    moment: Float[Tensor, "d_mlp d_mlp"] | None = None,
    search: ValueSearch = ValueSearch(),  # noqa: B008  (frozen)
    progress: bool = False,
) -> Edit:
    """Write the request's new answer into the MLP of ``layer``; the edit isn't in the model yet.

    Args:
        at: the position whose key is answered anew: the subject's last token, as in the paper, or the prompt's last.
        prefixes: texts before the prompt; by default ten that the model makes up (draw them once for many edits).
        wordings: how many of the request's further wordings to look at, for keys and value alike.
        keys: answer the mean of all contexts' keys (the paper), or each of them (as MEMIT does, arXiv 2210.07229).
        ridge: how far ``"each"`` may miss: added to the diagonal of ``K C^-1 K^T``, as a share of its mean.
        moment: the second moment of this layer's neurons (`key_covariance`), if it is at hand.

    Raises:
        ValueError: for an unknown option, layer or position, or a search that diverged.
    """
    if keys not in get_args(Keys):
        raise ValueError(f"unknown keys {keys!r}; choose from {', '.join(get_args(Keys))}")
    places = output_weights(model, layer)
    ((name, W),) = places.items()
    moment = key_covariance(model, layer) if moment is None else moment
    prefixes = sample_prefixes(model) if prefixes is None else prefixes
    rows = contexts(model.tokenizer, request, prefixes, wordings, at)
    net = read_network(model)
    parts = batches([*rows, essence(model.tokenizer, request, at)], W.device)
    cuts = [part.cut(net, layer) for part in parts]
    delta, losses = find_value(parts, cuts, search, progress)
    K = torch.cat([part.keys(cut)[_asks(part)] for part, cut in zip(parts, cuts, strict=True)])
    K = K.mean(0, keepdim=True) if keys == "mean" else K
    update = least_change(moment, K, delta.expand(len(K), -1), ridge if keys == "each" else 0.0)
    return make_edit(places, {name: W + update}, losses, keys=K, delta=delta)


def _asks(part: Batch) -> Tensor:
    """The rows that have an answer (the essence has none)."""
    return (part.answers != IGNORED).any(-1)


def least_change(
    C: Float[Tensor, "d_mlp d_mlp"], K: Float[Tensor, "key d_mlp"], V: Float[Tensor, "key d_model"], ridge: float = 0.0
) -> Float[Tensor, "d_mlp d_model"]:
    """The change `U` of the output weights with ``K U = V`` for which ``trace(U^T C U)`` is smallest.

    `U = C^-1 K^T (K C^-1 K^T + r I)^-1 V`; for one key this is the paper's equation 2. ``trace(U^T C U)`` is the mean
    squared change of what the MLP writes over the text that `C` was measured on.

    Args:
        ridge: `r` as a share of the mean of the diagonal; above 0, ``K U`` only comes near `V`.

    Raises:
        ValueError: if `C` isn't a finite square matrix of the keys' size.
    """
    if C.shape != (K.shape[1],) * 2 or not torch.isfinite(C).all():
        raise ValueError(f"the second moment has shape {list(C.shape)}; needed: finite, {K.shape[1]} x {K.shape[1]}")
    C, keys = C.double(), K.double()
    floor = 1e-6 * C.diagonal().mean()  # neurons that never fire would make the inverse infinite
    solved = torch.linalg.solve(C + floor * torch.eye(len(C), device=C.device, dtype=C.dtype), keys.T)
    gram = keys @ solved
    gram = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), device=C.device, dtype=C.dtype)
    return (solved @ torch.linalg.solve(gram, V.double())).to(V.dtype)


def find_value(
    parts: Sequence[Batch], cuts: Sequence[SuffixRun], search: ValueSearch, progress: bool = False
) -> tuple[Float[Tensor, " d_model"], list[float]]:
    """The change of what the MLP writes at the edited position that makes the model say the answer.

    Returns:
        The change, and the answer's mean loss in nats at each step.
    """
    behind = cuts[0].resid + cuts[0].written
    scale = behind[0, parts[0].at[0] - cuts[0].start].norm()
    delta = torch.zeros_like(behind[0, 0]).requires_grad_()
    adam = torch.optim.Adam([delta], lr=search.rate * float(scale) / len(delta) ** 0.5)
    with torch.no_grad():
        before = [_logits(part, cut, delta).log_softmax(-1) for part, cut in zip(parts, cuts, strict=True)]
    rows = sum(int(_asks(part).sum()) for part in parts)
    losses = []
    for _ in tqdm(range(search.steps), disable=not progress, desc="value"):
        answer = kept = 0.0
        for part, cut, old in zip(parts, cuts, before, strict=True):
            logits = _logits(part, cut, delta)
            each = cross_entropy(logits.flatten(0, 1), part.answers.flatten(), ignore_index=IGNORED, reduction="none")
            length = (part.answers != IGNORED).sum(-1).clamp_min(1)
            answer = answer + (each.view_as(part.answers).sum(-1) / length).sum() / rows
            quiet = ~_asks(part)
            if quiet.any():
                new = logits[quiet, 0].log_softmax(-1)
                kept = kept + kl_div(new, old[quiet, 0], log_target=True, reduction="batchmean")
        losses.append(answer.item())
        if losses[-1] < search.enough:
            break
        loss = answer + search.kl * kept + search.decay * (delta.norm() / scale) ** 2
        (delta.grad,) = torch.autograd.grad(loss, delta)
        adam.step()
        with torch.no_grad():
            delta.mul_((search.clamp * scale / delta.norm()).clamp(max=1.0))
    return delta.detach(), losses


def _logits(part: Batch, cut: SuffixRun, delta: Tensor) -> Float[Tensor, "row kept d_vocab"]:
    positions = torch.arange(cut.resid.shape[1], device=delta.device) + cut.start
    there = (positions[None] == part.at[:, None])[..., None]
    return cut.logits(cut.written + there * delta, part.keep)
