"""Find a mask over weights: from one gradient, or learned by descent on a score for each weight.

A learned mask (edge-popup, arXiv 1911.13299) keeps the weights with the highest scores. The forward pass uses the
hard mask; backwards, a score gets the gradient of its mask entry as if nothing had been cut (straight through). It is
weight times the gradient at the masked weight, which is also the first-order score (SNIP, arXiv 1810.02340).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.models.network import read_network
from helpers.models.predict import logits_after, padded
from helpers.models.run import resume
from helpers.studies.editing_inside_circuits.masks import ParameterMask, maskable, masked, top_mask, trainable
from helpers.studies.editing_inside_circuits.tasks import MaskTask

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
FIRST_ORDER_PROMPTS = 96
NOTHING = 1e-12  # added to a first-order score before its logarithm


def kept_share(model, mask: ParameterMask | None, task: MaskTask) -> float:
    """The share of prompts on which the masked model puts a right token first (the whole model: 1)."""
    return hits(model, mask, task).mean().item()


def hits(model, mask: ParameterMask | None, task: MaskTask) -> Float[Tensor, " prompt"]:
    """1 where the masked model puts a right token first, else 0."""
    if mask is None:
        best = logits_after(read_network(model), task.ids)[:, 0].argmax(-1)
    else:
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
    whole = {name: w.detach().clone() for name, w in maskable(model, True).items() if name in mask.kept}
    with trainable(model, mask.kept) as places:
        _put(places, {name: whole[name] * mask.kept[name] for name in places})
        found = torch.autograd.grad(loss(model, task), list(places.values()))
    return {name: whole[name] * g for name, g in zip(places, found, strict=True)}


def first_order(
    model, task: MaskTask, *, embeddings: bool = False, batch: int = 24, seed: int = 0
) -> dict[str, Float[Tensor, "*shape"]]:
    """SNIP: ``|weight x gradient|`` of the right answer's loss in the whole model, summed over batches."""
    some = task.sample(FIRST_ORDER_PROMPTS, seed)
    with trainable(model, maskable(model, embeddings)) as places:
        scores = {name: torch.zeros_like(w) for name, w in places.items()}
        for start in range(0, len(some), batch):
            loss = right_nll(model, some.select(range(start, min(start + batch, len(some)))))
            for (name, w), g in zip(places.items(), torch.autograd.grad(loss, list(places.values())), strict=True):
                scores[name] += (w.detach() * g).abs()
    return scores


def learn_masks(
    model,
    task: MaskTask,
    shares: Sequence[float] = SHARES,
    *,
    embeddings: bool = False,
    steps: int = 12,
    batch: int = 24,
    rate: float = 0.01,
    seed: int = 0,
    progress: bool = False,
) -> dict[float, ParameterMask]:
    """Masks of several sizes in one descent, the largest first, each going on from the one before.

    Args:
        shares: of the maskable weights, falling.
        embeddings: let the mask decide about the embeddings, too.
        steps: of Adam for each share, each on ``batch`` prompts; the loss is the divergence from the whole model.
        rate: of Adam on the scores, which begin as standardised logarithms of the first-order ones.

    Raises:
        ValueError: if the shares don't fall, or lie outside 0 to 1.
    """
    if list(shares) != sorted(set(shares), reverse=True) or not all(0 < share < 1 for share in shares):
        raise ValueError(f"shares must fall and lie between 0 and 1, not {list(shares)}")
    whole = {name: w.detach().clone() for name, w in maskable(model, embeddings).items()}
    start = first_order(model, task, embeddings=embeddings, batch=batch, seed=seed)
    flat = torch.cat([s.flatten() for s in start.values()]).add(NOTHING).log()
    scores = (flat - flat.mean()) / flat.std()
    adam = torch.optim.Adam([scores], lr=rate, betas=(0.9, 0.99), eps=1e-10)
    generator, found = torch.Generator().manual_seed(seed), {}
    with trainable(model, whole) as places:
        for share in tqdm(shares, disable=not progress, desc="learning masks"):
            for _ in range(steps):
                threshold = scores.kthvalue(max(1, round((1 - share) * len(scores)))).values
                _put(places, {n: whole[n] * (s > threshold) for n, s in _parts(scores, whole).items()})
                some = task.select(torch.randint(len(task), (batch,), generator=generator).tolist())
                gradients = torch.autograd.grad(divergence(model, some), list(places.values()))
                scores.grad = torch.cat([(w * g).flatten() for w, g in zip(whole.values(), gradients, strict=True)])
                adam.step()
            found[share] = top_mask(_parts(scores, whole), share)
    return found


@torch.no_grad()
def _put(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, place in places.items():
        place.copy_(values[name])


def _parts(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = flat.split([w.numel() for w in like.values()])
    return {name: part.view(w.shape) for (name, w), part in zip(like.items(), parts, strict=True)}
