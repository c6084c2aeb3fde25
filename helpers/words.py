"""The tokens that a source says: what it writes, read as the logits read it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.ablation import run_writes
from helpers.graph import Graph
from helpers.network import Network, read_network
from helpers.pairs import PromptPairs

BATCH = 8  # pairs at a time: the writes of all sources are in memory


def written_words(model, pairs: PromptPairs, nodes: Sequence[str], k: int = 5) -> dict[str, list[str]]:
    """The ``k`` tokens whose logits each source's own write raises most, on the mean over the clean prompts.

    The write is taken at the last position, the only one that the answer's logits read directly; elsewhere the same
    reading would tell what comes after that other word. It is divided by the final norm's scale there and multiplied
    by the norm's weight and the unembedding (direct logit attribution); biases belong to no source. The mean, not the
    difference to the corrupt prompts: both kinds of prompts ask for the same kind of answer, so the difference would
    hide exactly what a source says in all of them. What an early source says only to later ones doesn't show here.

    Args:
        nodes: names of sources, such as ``circuit.nodes``.

    Returns:
        For each source its tokens as they are, leading spaces included, most raised first.

    Raises:
        ValueError: for a name that is no source, or a ``k`` that isn't between 1 and the size of the vocabulary.
    """
    sources = Graph.from_model(model).sources
    for name in nodes:
        if name not in sources:
            raise ValueError(f"{name!r} is no source; sources are embed, {sources[1]}, ..., {sources[-1]}")
    net, rows = read_network(model), [sources.index(name) for name in nodes]
    if not 1 <= k <= net.W_U.shape[1]:
        raise ValueError(f"k must be between 1 and {net.W_U.shape[1]}, the size of the vocabulary, not {k}")
    raised = sum(_raised(net, group, rows) for _, group in pairs.groups(BATCH))
    best = raised.topk(k).indices.tolist()
    return {name: [model.tokenizer.decode([i]) for i in row] for name, row in zip(nodes, best, strict=True)}


@torch.no_grad()
def _raised(net: Network, pairs: PromptPairs, rows: list[int]) -> Float[Tensor, "source d_vocab"]:
    """What each source adds to the logits at the last position, summed over pairs of one length."""
    writes, resid = run_writes(net, pairs.clean_tokens)
    written = writes.expand(net)[rows, :, -1]
    return net.norm.share(written, resid[:, -1]).sum(1) @ net.W_U
