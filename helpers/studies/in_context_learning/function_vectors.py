"""Function vectors (arXiv 2310.15213): what heads write on average behind lists of a relation, put where no list is.

A function vector is a sum of mean head outputs at the last token of few-shot prompts. Added to the residual stream of
a question without lines, it should make the model answer as if the lines stood there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.circuits.graph import head_place
from helpers.circuits.metrics import match_nll
from helpers.models.network import read_network
from helpers.models.run import forward, head_writes, patch_residual, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, as_pairs

TOP = 10  # heads in a vector; the paper takes as many for a model with several times more heads


@torch.no_grad()
def mean_writes(model, shots: Sequence[FewShotPrompts]) -> Float[Tensor, "layer head d_model"]:
    """What each head writes at the last token, on the mean over lists."""
    net, pairs = read_network(model), as_pairs(model, shots)
    total = torch.zeros(len(net.layers), net.n_heads, net.W_U.shape[0], device=net.W_U.device)
    for _, group in pairs.groups():
        runs, _ = run_layers(net, group.clean_tokens)
        total += torch.stack([run.written[:, :, -1].sum(1) for run in runs]) / len(pairs)
    return total


@torch.no_grad()
def with_writes(
    model, pairs: PromptPairs, means: Float[Tensor, "layer head d_model"], heads: Sequence[str]
) -> Float[Tensor, "batch d_vocab"]:
    """The logits after the clean prompts when some heads write their means at the last token instead."""
    net, places, parts = read_network(model), [head_place(head) for head in heads], []
    for rows, group in pairs.groups():
        for step in forward(net, net.embed(group.clean_tokens)):
            chosen = [head for layer, head in places if 2 * layer == step.sublayer]
            if chosen:
                written = head_writes(step.layer, step.z[:, -1:])[chosen, :, 0]
                step.after[:, -1] += (means[step.sublayer // 2, chosen].to(written)[:, None] - written).sum(0)
        parts.append((rows, net.unembed(step.after[:, -1])))
    return in_places(parts)


def indirect_effects(
    model, pairs: PromptPairs, means: Float[Tensor, "layer head d_model"]
) -> Float[Tensor, "layer head"]:
    """By how many nats the answer's log-probability rises when one head alone writes its mean at the last token."""
    before = match_nll(pairs.clean_logits(model), pairs).mean()
    effects = torch.zeros(means.shape[:2])
    for layer in range(means.shape[0]):
        for head in range(means.shape[1]):
            logits = with_writes(model, pairs, means, [f"a{layer}.h{head}"])
            effects[layer, head] = before - match_nll(logits, pairs).mean()
    return effects


def strongest(effects: Float[Tensor, "layer head"], n: int = TOP) -> list[str]:
    """The heads with the largest values, the largest first."""
    order = effects.flatten().argsort(descending=True, stable=True)[:n].tolist()
    return [f"a{place // effects.shape[1]}.h{place % effects.shape[1]}" for place in order]


def function_vector(means: Float[Tensor, "layer head d_model"], heads: Sequence[str]) -> Float[Tensor, " d_model"]:
    """The sum of some heads' mean writes.

    Raises:
        ValueError: without any head.
    """
    if not heads:
        raise ValueError("a function vector is a sum over heads: give at least one")
    return torch.stack([means[head_place(head)] for head in heads]).sum(0)


@torch.no_grad()
def with_vector(
    model, pairs: PromptPairs, vector: Float[Tensor, " d_model"], layer: int
) -> Float[Tensor, "batch d_vocab"]:
    """The logits after the clean prompts with a vector added to the residual stream at the last token.

    Args:
        layer: the layer that reads it first; 0 adds it to the embedding.

    Raises:
        ValueError: for a layer that the model hasn't.
    """
    net = read_network(model)
    if not 0 <= layer < len(net.layers):
        raise ValueError(f"the layer must be from 0 to {len(net.layers) - 1}, not {layer}")
    return in_places(
        (rows, patch_residual(net, group.clean_tokens, 2 * layer, -1, vector, add=True))
        for rows, group in pairs.groups()
    )
