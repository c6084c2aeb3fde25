"""Find a mask over weights: from one gradient, or learned by descent on a score for each weight.

A learned mask (edge-popup, arXiv 1911.13299) keeps the weights with the highest scores. The forward pass uses the
hard mask; backwards, a score gets the gradient of its mask entry as if nothing had been cut (straight through). It is
weight times the gradient at the masked weight, which is also the first-order score (SNIP, arXiv 1810.02340).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.editing.weights import named_weights
from helpers.models.network import read_network
from helpers.models.predict import logits_after, padded
from helpers.models.run import resume
from helpers.studies.editing_inside_circuits.masks import (
    ParameterMask,
    full_mask,
    masked,
    split_like,
    top_mask,
)
from helpers.studies.editing_inside_circuits.tasks import MaskTask

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
FIRST_ORDER_PROMPTS = 96
NOTHING = 1e-12  # added to a first-order score before its logarithm


def hits(model, mask: ParameterMask, task: MaskTask) -> Float[Tensor, " prompt"]:
    """1 where the masked model puts a right token first, else 0."""
    with masked(model, mask):
        best = logits_after(read_network(model), task.ids)[:, 0].argmax(-1)
    return task.right[torch.arange(len(task)), best].float()


def log_probs(model, task: MaskTask) -> Float[Tensor, "prompt d_vocab"]:
    """What the model says behind each prompt; gradients flow."""
    net = read_network(model)
    tokens = padded(task.ids, net.W_E.device)
    keep = torch.tensor([[len(row) - 1] for row in task.ids], device=tokens.device)
    return resume(net, net.embed(tokens), keep=keep)[:, 0].log_softmax(-1)


def divergence(model, task: MaskTask) -> Float[Tensor, ""]:
    """The mean divergence of the model from what the whole model says, in nats."""
    return (task.reference.exp() * (task.reference - log_probs(model, task))).sum(-1).mean()


def right_nll(model, task: MaskTask) -> Float[Tensor, ""]:
    """Minus the mean log-probability of the right tokens together, in nats."""
    return -log_probs(model, task).masked_fill(~task.right, -torch.inf).logsumexp(-1).mean()


def mask_gradient(model, task: MaskTask, mask: ParameterMask, loss=divergence) -> dict[str, Tensor]:
    """The gradient of a loss by each entry of a mask: the whole weight times the gradient at the masked weight."""
    weights = named_weights(model)
    whole = {name: weights[name].detach().clone() for name in mask.kept if name in weights}
    with masked(model, mask) as places:
        wanted = [place.requires_grad_() for place in places.values()]
        found = torch.autograd.grad(loss(model, task), wanted)
    return {name: w * g for (name, w), g in zip(whole.items(), found, strict=True)}


def first_order(
    model,
    task: MaskTask,
    *,
    batch: int = 24,
    seed: int = 0,
    prompts: int = FIRST_ORDER_PROMPTS,
) -> dict[str, Float[Tensor, "*shape"]]:
    """SNIP: ``|weight x gradient|`` of the right answer's loss in the whole model, summed over batches."""
    some, whole = task.sample(prompts, seed), full_mask(model)
    batches = [range(len(some))[start : start + batch] for start in range(0, len(some), batch)]
    found = [mask_gradient(model, some.select(places), whole, right_nll) for places in batches]
    return {name: sum(part[name].abs() for part in found) for name in whole.kept}


def learn_masks(
    model,
    task: MaskTask,
    shares: Sequence[float] = SHARES,
    *,
    steps: int = 12,
    batch: int = 24,
    rate: float = 0.01,
    seed: int = 0,
) -> dict[float, ParameterMask]:
    """Masks of several sizes in one descent, the largest first, each going on from the one before.

    Args:
        shares: of the maskable weights, falling.
        steps: of Adam for each share, each on ``batch`` prompts; the loss is the divergence from the whole model.
        rate: of Adam on the scores, which begin as standardised logarithms of the first-order ones.

    Raises:
        ValueError: if the shares don't fall, or lie outside 0 to 1.
    """
    if list(shares) != sorted(set(shares), reverse=True) or not all(0 < share < 1 for share in shares):
        raise ValueError(f"shares must fall and lie between 0 and 1, not {list(shares)}")
    prompts = 4 * batch
    start = first_order(model, task, batch=batch, seed=seed, prompts=prompts)
    flat = torch.cat([s.flatten() for s in start.values()]).add(NOTHING).log()
    scores = (flat - flat.mean()) / flat.std()
    adam = torch.optim.Adam([scores], lr=rate, betas=(0.9, 0.99), eps=1e-10)
    generator, found = torch.Generator().manual_seed(seed), {}
    for share in shares:
        for _ in range(steps):
            threshold = scores.kthvalue(max(1, round((1 - share) * len(scores)))).values
            mask = ParameterMask(split_like(scores > threshold, start))
            some = task.select(torch.randint(len(task), (batch,), generator=generator).tolist())
            scores.grad = torch.cat([g.flatten() for g in mask_gradient(model, some, mask).values()])
            adam.step()
        found[share] = top_mask(split_like(scores, start), share)
    return found
