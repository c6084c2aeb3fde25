"""Cut edges into queries, keys and values by path patching: one run from the reader's layer on for each cut.

`run_circuits` does the same for any set of edges; here sources come before all readers, so that what they write is what
they write in the clean run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.graph import head_place
from helpers.circuits.metrics import logit_diff
from helpers.models.network import Network, read_network
from helpers.models.run import forward, head_writes, qkv, run_layers
from helpers.prompts.pairs import PromptPairs


@dataclass(frozen=True)
class Cut:
    """Edges from sources into the queries, keys or values (``letter``) of heads; without heads, all their edges."""

    sources: Sequence[str]
    heads: Sequence[str] = ()
    letter: str = "q"


@torch.no_grad()
def cut_costs(model, pairs: PromptPairs, cuts: Sequence[Cut]) -> Float[Tensor, "cut batch"]:
    """By how many logits each pair's logit difference falls, for each cut, with corrupt ablation.

    Raises:
        ValueError: if a source doesn't come before the layers of all heads that it is cut from.
    """
    for cut in cuts:
        first = min((head_place(head)[0] for head in cut.heads), default=10**6)
        if late := [source for source in cut.sources if _layer(source) >= first]:
            raise ValueError(f"{late[0]!r} doesn't come before layer {first}, into which it is cut")
    net, costs = read_network(model), torch.zeros(len(cuts), len(pairs))
    for chosen, group in pairs.groups():
        clean, corrupt = (_run(net, tokens) for tokens in (group.clean_tokens, group.corrupt_tokens))
        whole = logit_diff(net.unembed(clean[2][:, -1]), group)
        for n, cut in enumerate(cuts):
            costs[n, chosen] = whole - logit_diff(_cut(net, group, cut, clean, corrupt), group)
    return costs


Run = tuple[list[Tensor], list[Tensor], Tensor]  # residuals, what each sublayer writes, the final residual


def _run(net: Network, tokens: Tensor) -> Run:
    residuals, writes = [], []
    for step in forward(net, net.embed(tokens)):
        residuals.append(step.resid)
        writes.append(step.written if step.is_mlp else head_writes(step.layer, step.z))
    return residuals, writes, step.after


def _layer(source: str) -> int:
    return int(source[1:].split(".")[0])


def _written(source: str, writes: Sequence[Tensor]) -> Float[Tensor, "batch pos d_model"]:
    if source.startswith("m"):
        return writes[2 * _layer(source) + 1]
    layer, head = head_place(source)
    return writes[2 * layer][head]


def _cut(net: Network, group: PromptPairs, cut: Cut, clean: Run, corrupt: Run) -> Float[Tensor, "batch d_vocab"]:
    if not cut.heads:  # all that the heads write
        other = {head_place(source): _written(source, corrupt[1]) for source in cut.sources}
        return net.unembed(run_layers(net, group.clean_tokens, other)[1][:, -1])
    missed = sum(_written(source, clean[1]) - _written(source, corrupt[1]) for source in cut.sources)
    places, which = [head_place(head) for head in cut.heads], "qkv".index(cut.letter)
    together = 1 if cut.letter == "q" else net.n_heads // net.n_groups  # heads that share keys and values
    start = 2 * min(layer for layer, _ in places)
    for step in forward(net, clean[0][start], start):
        rows = sorted({head // together for layer, head in places if 2 * layer == step.sublayer})
        if rows:
            changed = qkv(step.layer, step.layer.norm1(step.resid - missed))[which]
            parts = [part.clone() for part in step.qkv]
            parts[which][:, :, rows] = changed[:, :, rows]
            step.qkv = tuple(parts)
    return net.unembed(step.after[:, -1])
