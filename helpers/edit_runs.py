"""Runs that begin at the edited layer: what lies before it never changes, so it is computed once.

Rows of unequal length stand in one batch, filled up at the end: nothing looks ahead, so the filling is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.ablation import Past, attention_out, qkv, run_past
from helpers.network import Layer, Network

BATCH = 64


def padded(ids: Sequence[Sequence[int]], device=None) -> Int[Tensor, "row pos"]:
    """Rows of ids as one tensor, filled up at the end with id 0."""
    longest = max(map(len, ids))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids], device=device)


def mlp_out(layer: Layer, resid: Float[Tensor, "row pos d_model"], W_out: Tensor | None = None) -> Tensor:
    """What an MLP writes, with its bias; ``W_out`` may be another than the layer's own."""
    return layer.neurons(layer.norm2(resid)) @ (layer.W_out if W_out is None else W_out) + layer.b_out


def attend(net: Network, n: int, resid: Float[Tensor, "row pos d_model"], past: Past | None = None) -> Tensor:
    """The residual stream behind the attention of layer ``n``."""
    layer = net.layers[n]
    z = net.attend(*qkv(layer, layer.norm1(resid)), None if past is None else past[n])
    return resid + attention_out(layer, z)


def run_above(
    net: Network,
    resid: Float[Tensor, "row pos d_model"],
    layer: int,
    keep: Int[Tensor, "row kept"],
    past: Past | None = None,
) -> Float[Tensor, "row kept d_vocab"]:
    """The logits at some positions, from the residual stream behind a layer on; gradients flow.

    Args:
        keep: positions within ``resid``.
        past: keys and values of the positions before those of ``resid``.
    """
    rows = torch.arange(len(resid), device=resid.device)[:, None]
    for n in range(layer + 1, len(net.layers)):
        resid = attend(net, n, resid, past)
        if n + 1 == len(net.layers):
            resid = resid[rows, keep]
        resid = resid + mlp_out(net.layers[n], resid)
    if layer + 1 >= len(net.layers):
        resid = resid[rows, keep]
    return net.unembed(resid)


@torch.no_grad()
def last_logits(net: Network, ids: Sequence[Sequence[int]], batch: int = BATCH) -> Float[Tensor, "row d_vocab"]:
    """The logits behind each row of ids, in batches of similar length."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    result: list = [None] * len(ids)
    for first in range(0, len(order), batch):
        part = order[first : first + batch]
        tokens = padded([ids[i] for i in part], net.W_E.device)
        keep = torch.tensor([[len(ids[i]) - 1] for i in part], device=tokens.device)
        for i, row in zip(part, run_above(net, net.embed(tokens), -1, keep)[:, 0], strict=True):
            result[i] = row
    return torch.stack(result)


@dataclass(frozen=True)
class Cut:
    """Rows that were run up to the MLP of one layer, from position ``start`` on."""

    net: Network
    layer: int
    start: int
    past: Past | None
    resid: Float[Tensor, "row pos d_model"]
    neurons: Float[Tensor, "row pos d_mlp"]

    @property
    def written(self) -> Float[Tensor, "row pos d_model"]:
        """What the MLP writes as the model is."""
        layer = self.net.layers[self.layer]
        return self.neurons @ layer.W_out + layer.b_out

    def logits(self, written: Float[Tensor, "row pos d_model"], keep: Int[Tensor, "row kept"]) -> Tensor:
        """The logits at positions ``keep`` (of the whole row) if the MLP wrote this instead."""
        return run_above(self.net, self.resid + written, self.layer, keep - self.start, self.past)


@torch.no_grad()
def cut_run(net: Network, tokens: Int[Tensor, "row pos"], layer: int, start: int = 0) -> Cut:
    """Run rows up to the MLP of ``layer``; positions before ``start`` are kept as keys and values only.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    if not 0 <= layer < len(net.layers):
        raise ValueError(f"no layer {layer}; the model's are 0 to {len(net.layers) - 1}")
    past = run_past(net, tokens[:, :start])
    resid = net.embed(tokens, start)
    for n in range(layer):
        resid = attend(net, n, resid, past)
        resid = resid + mlp_out(net.layers[n], resid)
    resid = attend(net, layer, resid, past)
    part = net.layers[layer]
    return Cut(net, layer, start, past, resid, part.neurons(part.norm2(resid)))
