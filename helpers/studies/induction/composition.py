"""How heads feed each other: through their weights, and by cutting the edges between them."""

from __future__ import annotations

from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import Layer, Norm, read_network

Letter = Literal["q", "k", "v"]


@torch.no_grad()
def composition(model, letter: str = "k") -> pd.DataFrame:
    """How much of what a head writes a later head can read, from their weights alone (Elhage et al. 2021).

    For K-composition the score is ``|W_V W_O W_K W_Q^T| / (|W_V W_O| |W_K W_Q^T|)`` with Frobenius norms, where the
    left factor belongs to the head that writes and the right one to the head that reads; 1 is the most possible.
    Q-composition has ``W_Q W_K^T`` instead, V-composition ``W_V W_O`` of the reader. The reader's norm is folded in:
    its weight, and its centring where it centres.

    Returns:
        Columns ``source, source_layer, reader, reader_layer, score`` for all pairs of heads of different layers, and
        ``times_chance``: the score in multiples of the mean over all pairs of heads of these two layers.

    Raises:
        ValueError: for an unknown letter.
    """
    if letter not in get_args(Letter):
        raise ValueError(f"unknown letter {letter!r}; choose from {', '.join(get_args(Letter))}")
    layers, rows = read_network(model).layers, []
    for late, reader in enumerate(layers):
        read = _reads(reader, letter)
        for early, source in enumerate(layers[:late]):
            write = _grouped(source.W_V, len(source.W_O)) @ source.W_O
            both = torch.einsum("sij,rjk->srik", write, read).norm(dim=(-2, -1))
            score = both / (write.norm(dim=(-2, -1))[:, None] * read.norm(dim=(-2, -1)))
            for s, row in enumerate(score.tolist()):
                rows += [(f"a{early}.h{s}", early, f"a{late}.h{r}", late, value) for r, value in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["source", "source_layer", "reader", "reader_layer", "score"])
    frame["times_chance"] = frame.score / frame.groupby(["source_layer", "reader_layer"]).score.transform("mean")
    return frame


def _reads(layer: Layer, letter: Letter) -> Float[Tensor, "head d_model d_model"]:
    """What a reader makes of the residual stream, as one matrix for each head."""
    heads = len(layer.W_Q)
    key, value = _grouped(layer.W_K, heads), _grouped(layer.W_V, heads)
    pairs = {"q": (layer.W_Q, key.mT), "k": (key, layer.W_Q.mT), "v": (value, layer.W_O)}
    first, second = pairs[letter]
    return _through(layer.norm1, first) @ (second if letter == "v" else _through(layer.norm1, second.mT).mT)


def _through(norm: Norm, weights: Float[Tensor, "head d_model d_head"]) -> Float[Tensor, "head d_model d_head"]:
    weights = norm.weight[:, None] * weights
    return weights - weights.mean(1, keepdim=True) if norm.centred else weights


def _grouped(weights: Tensor, heads: int) -> Float[Tensor, "head d_model d_head"]:
    return weights.repeat_interleave(heads // len(weights), dim=0)
