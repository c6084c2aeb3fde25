"""Function vectors (arXiv 2310.15213): what heads write on average at the end of lists, put where no list is.

A function vector is a sum of mean head outputs at the last token of few-shot prompts. Added to the residual stream of
a query without demonstrations, it should make the model answer as if they stood there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.circuits.graph import head_place
from helpers.components.skill_heads import repeated_tokens
from helpers.models.network import read_network
from helpers.models.run import (
    final_residual,
    forward,
    head_writes,
    patch_residual,
    repeat_past,
    run_layers,
    run_past,
)
from helpers.prompts.pairs import PromptPairs
from helpers.studies.in_context_learning.few_shot import FewShotPrompts
from helpers.studies.in_context_learning.list_pairs import as_pairs

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
def indirect_effects(
    model, pairs: PromptPairs, means: Float[Tensor, "layer head d_model"]
) -> Float[Tensor, "layer head"]:
    """By how many nats the answer's log-probability rises when one head alone writes its mean at the last token.

    Only the last token changes, so earlier positions are run once.
    """
    net = read_network(model)
    effects, heads = torch.zeros(means.shape[:2]), net.n_heads
    for _, group in pairs.groups():
        tokens, answers = group.clean_tokens, group.answer_ids
        past, resid = run_past(net, tokens[:, :-1]), net.embed(tokens)[:, -1:]
        if past is not None:
            past = tuple(tuple(t.expand(len(tokens), *t.shape[1:]) for t in layer) for layer in past)
        replaced = []
        for step in forward(net, resid, past=past):
            if not step.is_mlp:
                written = head_writes(step.layer, step.z)
                other = means[step.sublayer // 2].to(written)[:, None, None]
                replaced.append((step.sublayer, step.after[None] + other - written))
        before = _said(net.unembed(step.after[:, -1]), answers)
        for sublayer, states in replaced:
            last = final_residual(net, states.flatten(0, 1), sublayer + 1, repeat_past(past, heads))
            after = _said(net.unembed(last), answers.repeat(heads)).view(heads, -1)
            effects[sublayer // 2] += (after - before).sum(1).cpu() / len(pairs)
    return effects


def _said(logits: Float[Tensor, "row d_vocab"], answers: Tensor) -> Float[Tensor, " row"]:
    """The answers' log-probabilities."""
    return logits.log_softmax(-1).gather(1, answers[:, None])[:, 0]


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


@torch.no_grad()
def induction_scores(model, count: int = 4, length: int = 20) -> list[float]:
    """Each head's attention, in repeated random tokens, to the token after the earlier occurrence of the present one.

    As the column ``induction`` of `helpers.components.skill_heads.measure_repeats`, without what that measures besides.
    """
    net, tokens = read_network(model), repeated_tokens(model, length, count, 0, None)
    scores = []
    for step in forward(net, net.embed(tokens)):
        if not step.is_mlp:
            back = step.pattern.mean(0).diagonal(1 - length, -2, -1)  # [head pos], from position length - 1 on
            scores += back[:, 2:].mean(-1).tolist()
    return scores
