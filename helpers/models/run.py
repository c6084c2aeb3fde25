"""A model's forward pass, run in parts: from any layer on, with what its components write kept or replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.models.network import Layer, Network

Past = tuple[tuple[Tensor, Tensor], ...]  # rotated keys and values of earlier positions, by layer


@dataclass(frozen=True)
class NodeOutputs:
    """What all sources write, in compact form: heads before `W_O`, MLPs without their bias. Linear in its parts."""

    embed: Float[Tensor, "batch pos d_model"]
    heads: tuple[Float[Tensor, "batch pos head d_head"], ...]
    mlps: tuple[Float[Tensor, "batch pos d_model"], ...]

    def expand(self, net: Network) -> Float[Tensor, "source batch pos d_model"]:
        """One row for each source, in the graph's order."""
        return self.rows(net, 0, 1 + len(self.mlps) * (net.n_heads + 1))

    def rows(self, net: Network, start: int, stop: int) -> Float[Tensor, "some batch pos d_model"]:
        """The rows of some sources that follow each other."""
        rows = self.embed.new_empty(stop - start, *self.embed.shape)
        if start == 0:
            rows[0] = self.embed
        for n, (layer, z, mlp) in enumerate(zip(net.layers, self.heads, self.mlps, strict=True)):
            first = 1 + n * (net.n_heads + 1)
            low, high = max(first, start), min(first + net.n_heads, stop)
            if low < high:
                rows[low - start : high - start] = head_writes(layer, z, slice(low - first, high - first))
            if start <= first + net.n_heads < stop:
                rows[first + net.n_heads - start] = mlp
        return rows

    def __sub__(self, other: NodeOutputs) -> NodeOutputs:
        """The difference, source by source (a batch of 1 counts for all)."""
        return NodeOutputs(
            self.embed - other.embed,
            tuple(a - b for a, b in zip(self.heads, other.heads, strict=True)),
            tuple(a - b for a, b in zip(self.mlps, other.mlps, strict=True)),
        )

    def mean(self) -> NodeOutputs:
        """The mean over the batch, position by position, as a batch of 1."""
        return NodeOutputs(*(_each(part, lambda t: t.mean(0, keepdim=True)) for part in self._parts()))

    def zero(self) -> NodeOutputs:
        """Nothing written."""
        return NodeOutputs(*(_each(part, torch.zeros_like) for part in self._parts()))

    def _parts(self) -> tuple:
        return self.embed, self.heads, self.mlps


def _each(part: Tensor | tuple[Tensor, ...], change) -> Tensor | tuple[Tensor, ...]:
    return tuple(map(change, part)) if isinstance(part, tuple) else change(part)


def head_writes(
    layer: Layer, z: Float[Tensor, "batch pos head d_head"], chosen: slice = slice(None)
) -> Float[Tensor, "chosen batch pos d_model"]:
    """What each head, or each of the chosen ones, writes to the residual stream."""
    heads = z.permute(2, 0, 1, 3)[chosen]
    return (heads.flatten(1, 2) @ layer.W_O[chosen]).unflatten(1, heads.shape[1:3])


def qkv(layer: Layer, x: Float[Tensor, "batch pos d_model"]) -> tuple[Tensor, Tensor, Tensor]:
    """Queries ``[batch pos head d_head]``, keys and values ``[batch pos group d_head]`` of one normalised input."""
    parts = ((layer.W_Q, layer.b_Q), (layer.W_K, layer.b_K), (layer.W_V, layer.b_V))
    flat = x.flatten(0, 1)
    return tuple(
        torch.addmm(b.flatten(), flat, W.permute(1, 0, 2).flatten(1)).view(*x.shape[:2], *b.shape) for W, b in parts
    )


def attention_out(layer: Layer, z: Float[Tensor, "batch pos head d_head"]) -> Float[Tensor, "batch pos d_model"]:
    """What all heads together write, with the bias."""
    return z.flatten(2) @ layer.W_O.flatten(0, 1) + layer.b_O


@torch.no_grad()
def run_writes(
    net: Network, tokens: Int[Tensor, "batch pos"], start: int = 0, past: Past | None = None
) -> tuple[NodeOutputs, Float[Tensor, "batch rest d_model"]]:
    """What the sources write at the positions from ``start`` on, and the final residual; an ordinary run."""
    resid = embed = net.embed(tokens, start)
    heads, mlps = [], []
    for n, layer in enumerate(net.layers):
        z = net.attend(*qkv(layer, layer.norm1(resid)), None if past is None else past[n])
        resid = resid + attention_out(layer, z)
        written = layer.neurons(layer.norm2(resid)) @ layer.W_out
        resid = resid + written + layer.b_out
        heads.append(z)
        mlps.append(written)
    return NodeOutputs(embed, tuple(heads), tuple(mlps)), resid


@torch.no_grad()
def run_past(net: Network, tokens: Int[Tensor, "batch pos"]) -> Past | None:
    """Keys and values of a common beginning; computed once if all rows are the same."""
    if tokens.shape[1] == 0:
        return None
    if (tokens == tokens[:1]).all():
        tokens = tokens[:1]
    resid, past = net.embed(tokens), []
    for n, layer in enumerate(net.layers):
        q, k, v = qkv(layer, layer.norm1(resid))
        past.append((net.rotate(k, 0), v))
        if n + 1 < len(net.layers):
            resid = resid + attention_out(layer, net.attend(q, k, v))
            resid = resid + layer.neurons(layer.norm2(resid)) @ layer.W_out + layer.b_out
    return tuple(past)


def repeat_past(past: Past | None, times: int) -> Past | None:
    """The same beginning for a batch that is repeated ``times`` over; a beginning that all rows share stays one row."""
    if past is None:
        return None
    return tuple(tuple(t if len(t) == 1 else t.repeat(times, 1, 1, 1) for t in layer) for layer in past)


@torch.no_grad()
def resume(
    net: Network, resid: Float[Tensor, "batch pos d_model"], sublayer: int, past: Past | None = None
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the last position, from the residual stream before a sublayer on (0 is the first attention)."""
    for n in range(sublayer // 2, len(net.layers)):
        layer = net.layers[n]
        if 2 * n >= sublayer:
            z = net.attend(*qkv(layer, layer.norm1(resid)), None if past is None else past[n])
            resid = resid + attention_out(layer, z)
        if n + 1 == len(net.layers):
            resid = resid[:, -1:]  # nothing looks back any more
        resid = resid + layer.neurons(layer.norm2(resid)) @ layer.W_out + layer.b_out
    return net.unembed(resid[:, -1])


Replaced = Mapping[tuple[int, int], Tensor]  # (layer, head) -> what it writes instead, ``[#batch pos d_model]``


@dataclass(frozen=True)
class LayerRun:
    """A layer's attention in one run; ``after`` is the residual stream behind it, before the MLP."""

    pattern: Float[Tensor, "batch head pos key"]
    values: Float[Tensor, "batch pos head d_head"]
    written: Float[Tensor, "head batch pos d_model"]
    after: Float[Tensor, "batch pos d_model"]


@torch.no_grad()
def run_layers(
    net: Network, tokens: Int[Tensor, "batch pos"], replaced: Replaced | None = None
) -> tuple[list[LayerRun], Float[Tensor, "batch pos d_model"]]:
    """An ordinary run with every head's pattern, values and writes kept, and its final residual.

    Args:
        replaced: heads that write something else than they compute; ``written`` then holds that.
    """
    resid, runs = net.embed(tokens), []
    for n, layer in enumerate(net.layers):
        q, k, v = qkv(layer, layer.norm1(resid))
        each = net.n_heads // net.n_groups
        k, v = (t.repeat_interleave(each, dim=-2) for t in (net.rotate(k, 0), v))
        pattern = net.pattern(net.rotate(q, 0), k)
        z = (pattern @ v.transpose(-3, -2)).transpose(-3, -2)
        written = head_writes(layer, z)
        resid = resid + attention_out(layer, z)
        for (where, head), other in (replaced or {}).items():
            if where == n:
                resid = resid + other - written[head]
                written[head] = other
        runs.append(LayerRun(pattern, v, written, resid))
        resid = resid + layer.neurons(layer.norm2(resid)) @ layer.W_out + layer.b_out
    return runs, resid


def against_mean(net: Network, ids: Int[Tensor, " token"]) -> Float[Tensor, "token d_model"]:
    """The directions that read a token's logit against the mean logit over the vocabulary."""
    return net.W_U[:, ids].T - net.W_U.mean(1)


def direct_logit_attribution(
    net: Network,
    written: Float[Tensor, "head batch d_model"],
    resid: Float[Tensor, "batch d_model"],
    directions: Float[Tensor, "batch kind d_model"],
) -> Float[Tensor, "head batch kind"]:
    """Direct logit attribution: what writes add to logits when the final norm's scale is held at the run's own.

    Args:
        written: what each head writes at one position.
        resid: the final residual there, which sets the scale.
        directions: what is read from it, such as `against_mean`.
    """
    return torch.einsum("hbd,bkd->hbk", net.norm.share(written, resid), directions)


def stop_names(n_layers: int) -> list[str]:
    """The names of the stops: ``embed``, then ``a0`` (behind the first attention), ``m0`` (behind its MLP), ..."""
    return ["embed", *(f"{part}{n}" for n in range(n_layers) for part in "am")]


@torch.no_grad()
def residuals(net: Network, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "stop batch pos d_model"]:
    """The residual stream at all stops: behind the embedding, and behind each attention and each MLP."""
    resid = net.embed(tokens)
    stops = [resid]
    for layer in net.layers:
        resid = resid + attention_out(layer, net.attend(*qkv(layer, layer.norm1(resid))))
        stops.append(resid)
        resid = resid + layer.neurons(layer.norm2(resid)) @ layer.W_out + layer.b_out
        stops.append(resid)
    return torch.stack(stops)


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
class SuffixRun:
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
def cut_run(net: Network, tokens: Int[Tensor, "row pos"], layer: int, start: int = 0) -> SuffixRun:
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
    return SuffixRun(net, layer, start, past, resid, part.neurons(part.norm2(resid)))


def random_vector(like: Float[Tensor, "*row d_model"], seed: int = 0) -> Float[Tensor, "*row d_model"]:
    """A random direction of the same length; one for each row."""
    drawn = torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)
    return drawn / drawn.norm(dim=-1, keepdim=True) * like.norm(dim=-1, keepdim=True)
