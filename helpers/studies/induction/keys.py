"""Where a head looks when one edge into its keys is cut: the cut, followed to the attention."""

from __future__ import annotations

from itertools import islice

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import run_writes
from helpers.circuits.graph import Graph, head_place
from helpers.models.network import Network, read_network
from helpers.models.run import forward
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import bootstrap


@torch.no_grad()
def attention_without(model, pairs: PromptPairs, head: str) -> pd.DataFrame:
    """How much attention a head pays to the answer's earlier place, and how much is left when a key edge is cut.

    Exact: a cut edge changes the keys, and nothing else that this head's attention depends on.

    Args:
        pairs: clean prompts in which the answer stands once.

    Returns:
        Columns ``source, attention, low, high``, the strongest cut first; the first row, ``none``, is the uncut head.
    """
    net, graph, (layer, _) = read_network(model), Graph.from_model(model), head_place(head)
    before = graph.sources[: graph.visible(2 * layer)]
    parts = []
    for _, group in pairs.groups():
        parts.append(_by_source(net, group, head, len(before)))
    paid = torch.cat(parts, -1)
    estimates = [bootstrap(lambda draws: draws.mean(-1), row) for row in paid]
    rows = [(name, float(e), e.low, e.high) for name, e in zip(("none", *before), estimates, strict=True)]
    frame = pd.DataFrame(rows, columns=["source", "attention", "low", "high"])
    return pd.concat([frame[:1], frame[1:].sort_values("attention")], ignore_index=True)


def _by_source(net: Network, group: PromptPairs, head: str, sources: int) -> Float[Tensor, "cut batch"]:
    """Attention from the last token to the answer's place: uncut, then without each source."""
    layer, number = head_place(head)
    step = next(islice(forward(net, net.embed(group.clean_tokens)), 2 * layer, None))
    (clean, _), (corrupt, _) = (run_writes(net, tokens) for tokens in (group.clean_tokens, group.corrupt_tokens))
    change = (clean - corrupt).expand(net)[:sources]
    weights, q = step.layer, step.qkv[0][:, :, [number]]
    own = number * len(weights.W_K) // len(weights.W_Q)  # the group whose keys the head reads
    at = (group.clean_tokens == group.answer_ids[:, None]).int().argmax(1)
    rows, shares = range(len(group)), []
    for removed in (torch.zeros_like(change[0]), *change):
        k = weights.norm1(step.resid - removed) @ weights.W_K[own] + weights.b_K[own]
        turned = (net.rotate(x, 0) for x in (q, k[:, :, None]))
        shares.append(net.pattern(*turned)[rows, 0, -1, at])
    return torch.stack(shares)
