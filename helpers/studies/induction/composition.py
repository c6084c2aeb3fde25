"""How much of what one head writes another can read, from their weights alone, beside writes that point anywhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import Layer, Norm, read_network

Letter = Literal["q", "k", "v"]


@torch.no_grad()
def composition(
    model, letter: str = "k", *, layers: Collection[tuple[int, int]] | None = None, rotations: int = 4, seed: int = 0
) -> pd.DataFrame:
    """The composition of all pairs of heads of different layers (Elhage et al. 2021).

    For K-composition the score is ``|W_V W_O W_K W_Q^T| / (|W_V W_O| |W_K W_Q^T|)`` with Frobenius norms, where the
    left factor belongs to the head that writes and the right one to the head that reads; 1 is the most possible.
    Q-composition has ``W_Q W_K^T`` instead, V-composition ``W_V W_O`` of the reader. The reader's norm is folded in:
    its weight, and its centring where it centres. Rotary positions are left out.

    Args:
        layers: pairs of layers, of the head that writes and of the one that reads; all by default.
        rotations: how many random rotations of the written directions are drawn.

    Returns:
        Columns ``source, source_layer, reader, reader_layer, score``; ``rotated``, the mean score if what the source
        writes is turned to random directions; and ``times_rotated``, the score in multiples of that.

    Raises:
        ValueError: for an unknown letter.
    """
    if letter not in get_args(Letter):
        raise ValueError(f"unknown letter {letter!r}; choose from {', '.join(get_args(Letter))}")
    blocks, rows = read_network(model).layers, []
    turns = _rotations(blocks[0].W_O.shape[-1], rotations, seed)
    for late, block in enumerate(blocks):
        read = _reads(block, letter)
        for early, source in enumerate(blocks[:late]):
            if layers is not None and (early, late) not in layers:
                continue
            score = _scores(source, source.W_O, read)
            rotated = torch.stack([_scores(source, source.W_O @ turn.to(source.W_O), read) for turn in turns]).mean(0)
            for s, both in enumerate(zip(score.tolist(), rotated.tolist(), strict=True)):
                for r, (own, chance) in enumerate(zip(*both, strict=True)):
                    rows.append((f"a{early}.h{s}", early, f"a{late}.h{r}", late, own, chance))
    frame = pd.DataFrame(rows, columns=["source", "source_layer", "reader", "reader_layer", "score", "rotated"])
    return frame.assign(times_rotated=frame.score / frame.rotated)


def _rotations(width: int, count: int, seed: int) -> list[Float[Tensor, "d_model d_model"]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.linalg.qr(torch.randn(width, width, generator=generator))[0] for _ in range(count)]


def _scores(
    source: Layer, written: Float[Tensor, "source d_head d_model"], read: tuple[Tensor, Tensor]
) -> Float[Tensor, "source reader"]:
    """Norms of products by the small matrices in their middle: |A M B|^2 is the trace of (A^T A) M (B B^T) M^T."""
    first, second = read
    value = _grouped(source.W_V, len(written))
    values, seconds = value.mT @ value, second @ second.mT
    middle = torch.einsum("sim,rmj->srij", written, first)
    both = torch.einsum("sij,srjk,rkl,sril->sr", values, middle, seconds, middle)
    write = torch.einsum("sij,sji->s", values, written @ written.mT)
    reading = torch.einsum("rij,rji->r", first.mT @ first, seconds)
    return (both / write[:, None] / reading).clamp_min(0).sqrt()


def _reads(layer: Layer, letter: Letter) -> tuple[Tensor, Tensor]:
    """What a reader makes of the residual stream: ``[head d_model d_head]``, then ``[head d_head d_model]``."""
    heads = len(layer.W_Q)
    key, value = _grouped(layer.W_K, heads), _grouped(layer.W_V, heads)
    pairs = {"q": (layer.W_Q, key.mT), "k": (key, layer.W_Q.mT), "v": (value, layer.W_O)}
    first, second = pairs[letter]
    return _through(layer.norm1, first), second if letter == "v" else _through(layer.norm1, second.mT).mT


def _through(norm: Norm, weights: Float[Tensor, "head d_model d_head"]) -> Float[Tensor, "head d_model d_head"]:
    weights = norm.weight[:, None] * weights
    return weights - weights.mean(1, keepdim=True) if norm.centred else weights


def _grouped(weights: Tensor, heads: int) -> Float[Tensor, "head d_model d_head"]:
    return weights.repeat_interleave(heads // len(weights), dim=0)
