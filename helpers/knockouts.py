"""What a model says when several heads are silent, beside the silence of other heads of the same layers."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.graph import Graph, head_place
from helpers.heads import run_layers
from helpers.network import read_network
from helpers.pairs import PromptPairs


@torch.no_grad()
def silenced(model, pairs: PromptPairs, heads: Sequence[str]) -> Float[Tensor, "batch d_vocab"]:
    """The logits after the clean prompts when some heads write nothing (zero ablation), all at once.

    Args:
        heads: their names, such as ``["a4.h6", "a5.h3"]``; with none, the model's own logits.

    Raises:
        ValueError: for a name that is no head of the model.
    """
    net, places = read_network(model), _places(model, heads)
    logits = torch.empty(len(pairs), net.W_U.shape[1])
    for rows, group in pairs.groups():
        tokens = group.clean_tokens
        nothing = torch.zeros(*tokens.shape, net.W_U.shape[0], device=tokens.device)
        _, resid = run_layers(net, tokens, dict.fromkeys(places, nothing))
        logits[rows] = net.unembed(resid[:, -1]).float().cpu()
    return logits


def same_layers(model, heads: Sequence[str], spared: Sequence[str] = (), seed: int = 0) -> list[str]:
    """As many heads of each layer as ``heads`` has there, drawn from the others of the layer that aren't spared.

    Where a layer hasn't so many others, all of them are taken.

    Raises:
        ValueError: for a name that is no head of the model.
    """
    graph, rng, drawn = Graph.from_model(model), random.Random(seed), []
    barred, counts = set(_places(model, [*heads, *spared])), [layer for layer, _ in _places(model, heads)]
    for layer in sorted(set(counts)):
        others = [h for h in range(graph.n_heads) if (layer, h) not in barred]
        drawn += [f"a{layer}.h{h}" for h in rng.sample(others, min(counts.count(layer), len(others)))]
    return drawn


def falls(
    before: Float[Tensor, "batch d_vocab"], after: Float[Tensor, "batch d_vocab"], pairs: PromptPairs
) -> dict[str, Float[Tensor, " batch"]]:
    """By how much logits fall, against the mean over the vocabulary: the answer's and the other answers' (mean).

    The type is all answers and wrong answers of the pairs, as in `helpers.heads.measure_heads`.
    """
    members = torch.cat((pairs.answer_ids, pairs.wrong_ids)).unique().cpu()
    before, after = before.cpu(), after.cpu()
    change = (before - before.mean(-1, keepdim=True)) - (after - after.mean(-1, keepdim=True))
    answer = change.gather(-1, pairs.answer_ids.cpu()[:, None])[:, 0]
    others = (members[None] != pairs.answer_ids.cpu()[:, None]).to(change)
    return {"answer": answer, "type": (change[:, members] * others).sum(-1) / others.sum(-1)}


def risen_words(
    model, before: Float[Tensor, "batch d_vocab"], after: Float[Tensor, "batch d_vocab"], k: int = 8
) -> list[str]:
    """The ``k`` tokens whose probability rises most, on the mean over the prompts."""
    rise = (after.cpu().softmax(-1) - before.cpu().softmax(-1)).mean(0)
    return [model.tokenizer.decode([i]) for i in rise.topk(k).indices.tolist()]


def share_named(words: Sequence[str], answers: Collection[str]) -> float:
    """The share of words that are one of the answers, or the first token (of three letters or more) of a longer one."""
    hits = [w in answers or len(w) > 3 and any(answer.startswith(w) for answer in answers) for w in words]
    return sum(hits) / len(hits)


def _places(model, heads: Sequence[str]) -> list[tuple[int, int]]:
    known = [name for name in Graph.from_model(model).sources if ".h" in name]
    for name in heads:
        if name not in known:
            raise ValueError(f"{name!r} is no head; heads are {known[0]}, ..., {known[-1]}")
    return [head_place(name) for name in heads]
