"""One head at the prompt's last token: how much it looks at the subject, and what its write says of each token."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.circuits.graph import head_place
from helpers.models.network import read_network
from helpers.models.run import forward, head_writes
from helpers.prompts.pairs import PromptPairs


@torch.no_grad()
def at_the_end(model, head: str, pairs: PromptPairs) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch d_vocab"]]:
    """A head's attention from the last token to the subject's tokens, and its write's share of all logits.

    The share is the direct one, with the last norm's scale held at the run's own (`Norm.share`).
    """
    (layer, number), net, parts = head_place(head), read_network(model), []
    for places, group in pairs.groups():
        for step in forward(net, net.embed(group.clean_tokens)):
            if step.sublayer == 2 * layer:
                pattern = step.pattern[:, number, -1]
                write = head_writes(step.layer, step.z, slice(number, number + 1))[0, :, -1]
        seen = torch.stack([row[subject].sum() for row, subject in zip(pattern, group.subjects, strict=True)])
        shares = net.norm.share(write, step.after[:, -1]) @ net.W_U
        parts.append((places, torch.cat((seen[:, None], shares), 1)))
    found = in_places(parts)
    return found[:, 0], found[:, 1:]


@torch.no_grad()
def from_the_subject(model, head: str, pairs: PromptPairs) -> Float[Tensor, "batch 2"]:
    """A head's attention from the subject's last token: to that token itself, and to the one before it."""
    (layer, number), net, parts = head_place(head), read_network(model), []
    for places, group in pairs.groups():
        step = next(s for s in forward(net, net.embed(group.clean_tokens)) if s.sublayer == 2 * layer)
        last = torch.tensor([subject.stop - 1 for subject in group.subjects])
        rows = step.pattern[torch.arange(len(group)), number, last]
        parts.append((places, torch.stack([rows.gather(1, (last - back)[:, None])[:, 0] for back in (0, 1)], 1)))
    return in_places(parts)


def ranks(logits: Float[Tensor, "batch d_vocab"], ids: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """The place of one token among all, for each row; the likeliest has rank 1."""
    return (logits > logits.gather(1, ids[:, None])).sum(1) + 1
