"""A model's forward pass, written out once: sublayer by sublayer, and what each one writes can be kept or replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.models.network import Layer, Network

Past = tuple[tuple[Tensor, ...], ...]  # rotated keys and values of earlier positions, by layer (`Network.align`)


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


def head_writes(
    layer: Layer, z: Float[Tensor, "batch pos head d_head"], chosen: slice = slice(None)
) -> Float[Tensor, "chosen batch pos d_model"]:
    """What each head, or each of the chosen ones, writes to the residual stream."""
    heads = z.permute(2, 0, 1, 3)[chosen]
    return (heads.flatten(1, 2) @ layer.W_O[chosen]).unflatten(1, heads.shape[1:3])


@dataclass(eq=False)
class Step:
    """One sublayer in a forward pass: what it reads, and what it makes of it, computed when it is asked for.

    Sublayer 2n is the attention of layer n, 2n + 1 its MLP. The next sublayer reads ``after``: assign to it, or call
    `write`, and the run goes on with that.
    """

    net: Network
    sublayer: int
    resid: Float[Tensor, "batch pos d_model"]
    past: tuple[Tensor, ...] | None

    @property
    def layer(self) -> Layer:
        """The layer's weights."""
        return self.net.layers[self.sublayer // 2]

    @property
    def is_mlp(self) -> bool:
        """Whether it is an MLP."""
        return bool(self.sublayer % 2)

    @property
    def bias(self) -> Float[Tensor, " d_model"]:
        """What it writes whatever it reads."""
        return self.layer.b_out if self.is_mlp else self.layer.b_O

    @cached_property
    def qkv(self) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (`qkv`), not yet rotated."""
        return qkv(self.layer, self.layer.norm1(self.resid))

    @cached_property
    def _aligned(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.align(*self.qkv, self.past)

    @property
    def values(self) -> Float[Tensor, "batch key head d_head"]:
        """Each head's values, those of the past included."""
        return self._aligned[2]

    @cached_property
    def pattern(self) -> Float[Tensor, "batch head pos key"]:
        """Attention probabilities."""
        return self.net.pattern(*self._aligned[:2], self.past)

    @cached_property
    def z(self) -> Float[Tensor, "batch pos head d_head"]:
        """What each head reads out of the values, before `W_O`."""
        return self.net.read_out(self.pattern, self.values)

    @cached_property
    def neurons(self) -> Float[Tensor, "batch pos d_mlp"]:
        """The MLP's neurons."""
        return self.layer.neurons(self.layer.norm2(self.resid))

    @cached_property
    def written(self) -> Float[Tensor, "batch pos d_model"]:
        """What the sublayer writes, without its bias."""
        return self.neurons @ self.layer.W_out if self.is_mlp else attention_out(self.layer, self.z) - self.bias

    @cached_property
    def after(self) -> Float[Tensor, "batch pos d_model"]:
        """The residual stream that the next sublayer reads."""
        if self.is_mlp:
            return self.resid + self.written + self.bias
        return self.resid + attention_out(self.layer, self.z)

    def write(self, written: Float[Tensor, "#batch #pos d_model"]) -> None:
        """Let the sublayer write something else; its bias stays."""
        self.after = self.resid + written + self.bias


def forward(
    net: Network, resid: Float[Tensor, "batch pos d_model"], first: int = 0, past: Past | None = None
) -> Iterator[Step]:
    """Run a model, one sublayer at a time; whoever takes the steps may keep, change and stop. Gradients flow.

    Args:
        resid: the residual stream before sublayer ``first``.
        past: keys and values of the positions before those of ``resid``.
    """
    for sublayer in range(first, 2 * len(net.layers)):
        step = Step(net, sublayer, resid, None if past is None else past[sublayer // 2])
        yield step
        resid = step.after


def resume(
    net: Network,
    resid: Float[Tensor, "batch pos d_model"],
    sublayer: int = 0,
    past: Past | None = None,
    keep: Int[Tensor, "batch kept"] | None = None,
) -> Float[Tensor, "batch d_vocab"] | Float[Tensor, "batch kept d_vocab"]:
    """The logits, from the residual stream before a sublayer on (``2 * n_layers`` is the unembedding).

    Args:
        past: as in `forward`.
        keep: the positions within ``resid`` whose logits are wanted; by default the last, without an axis of its own.
    """
    return net.unembed(final_residual(net, resid, sublayer, past, keep))


def final_residual(
    net: Network,
    resid: Float[Tensor, "batch pos d_model"],
    sublayer: int = 0,
    past: Past | None = None,
    keep: Int[Tensor, "batch kept"] | None = None,
) -> Float[Tensor, "batch d_model"] | Float[Tensor, "batch kept d_model"]:
    """What the unembedding reads; as `resume`."""
    last, rows = 2 * len(net.layers) - 1, torch.arange(len(resid), device=resid.device)[:, None]

    def kept(x: Tensor) -> Tensor:
        return x[:, -1:] if keep is None else x[rows, keep]

    if sublayer >= last:
        resid = kept(resid)
    for step in forward(net, resid, sublayer, past):
        if step.sublayer == last - 1:
            step.after = kept(step.after)  # nothing looks back any more
        resid = step.after
    return resid[:, -1] if keep is None else resid


@torch.no_grad()
def run_past(net: Network, tokens: Int[Tensor, "batch pos"]) -> Past | None:
    """Keys and values of a common beginning; computed once if all rows are the same."""
    if tokens.shape[1] == 0:
        return None
    if (tokens == tokens[:1]).all():
        tokens = tokens[:1]
    return keys_and_values(net, net.embed(tokens))


@torch.no_grad()
def keys_and_values(net: Network, resid: Float[Tensor, "batch pos d_model"], first: int = 0) -> Past:
    """What later positions will look back at, from the residual stream before sublayer ``first`` on.

    Layers before it have empty places.
    """
    past = [()] * ((first + 1) // 2)
    for step in islice(forward(net, resid, first), max(0, 2 * len(net.layers) - 1 - first)):
        if not step.is_mlp:
            _, k, v = step.qkv
            past.append((net.rotate(k, 0), v))
    return tuple(past)


def repeat_past(past: Past | None, times: int) -> Past | None:
    """The same beginning for a batch that is repeated ``times`` over; a beginning that all rows share stays one row."""
    if past is None:
        return None
    return tuple(tuple(t if len(t) == 1 else t.repeat(times, 1, 1, 1) for t in layer) for layer in past)


@torch.no_grad()
def residuals(net: Network, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "stop batch pos d_model"]:
    """The residual stream at all stops: behind the embedding, and behind each attention and each MLP."""
    resid = net.embed(tokens)
    return torch.stack([resid, *(step.after for step in forward(net, resid))])


def stop_names(n_layers: int) -> list[str]:
    """The names of the stops: ``embed``, then ``a0`` (behind the first attention), ``m0`` (behind its MLP), ..."""
    return ["embed", *(f"{part}{n}" for n in range(n_layers) for part in "am")]


@torch.no_grad()
def patch_residual(
    net: Network,
    tokens: Int[Tensor, "batch pos"],
    stop: int,
    position: int | Int[Tensor, " batch"],
    value: Float[Tensor, "*#batch d_model"],
    add: bool = False,
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the last position when the residual stream is another one at one stop and one position of each row.

    Args:
        stop: 0 is the embedding, 2n + 1 behind attention n, 2n + 2 behind MLP n (`stop_names`).
        value: what stands there instead, or is added to what stands there.

    Raises:
        ValueError: for a stop that the model doesn't have.
    """
    net.check_stop(stop)
    resid, rows = net.embed(tokens), torch.arange(len(tokens), device=tokens.device)
    for step in islice(forward(net, resid), stop):
        resid = step.after
    resid[rows, position] = value.to(resid) + (resid[rows, position] if add else 0)
    return resume(net, resid, stop)


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
    runs = []
    for step in forward(net, net.embed(tokens)):
        if not step.is_mlp:
            written = head_writes(step.layer, step.z)
            for (layer, head), other in (replaced or {}).items():
                if 2 * layer == step.sublayer:
                    step.after = step.after + other - written[head]
                    written[head] = other
            runs.append(LayerRun(step.pattern, step.values, written, step.after))
    return runs, step.after


def random_vector(like: Float[Tensor, "*row d_model"], seed: int = 0) -> Float[Tensor, "*row d_model"]:
    """A random direction of the same length; one for each row."""
    drawn = torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)
    return drawn / drawn.norm(dim=-1, keepdim=True) * like.norm(dim=-1, keepdim=True)
