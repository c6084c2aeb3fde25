"""Weights grafted by part: some parts of a model from one step of its training, all others from another step.

A model on its way that lacks an answer lacks it for want of something. If a later step's attention, MLPs or token
vectors are put in alone and the answer is there, that part was what was missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from itertools import combinations

import pandas as pd
import torch
from torch import Tensor

from helpers.circuits.metrics import hit_at_k, logit_diff
from helpers.models.network import Layer, Network
from helpers.models.predict import logits_after
from helpers.prompts.pairs import PromptPairs

ATTENTION, MLPS, TOKENS = "attention", "MLPs", "token vectors"
PARTS = (ATTENTION, MLPS, TOKENS)
READ_IN, READ_OFF, LENGTHS = "token vectors, as input", "token vectors, as output", "their lengths only"
OF_ATTENTION = ("norm1", "W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")  # fields of a layer


def grafted(base: Network, donor: Network, parts: Collection[str]) -> Network:
    """A network with ``donor``'s weights in some `PARTS` and ``base``'s in all others.

    Attention and MLPs have the norms that they read through; token vectors are those that embed tokens and positions
    and, after the last norm, those that an answer is read off with (in Atlas the same ones).

    Raises:
        ValueError: for an unknown part, or networks of different shapes.
    """
    if strange := set(parts) - set(PARTS):
        raise ValueError(f"no part {strange.pop()!r}; choose from {', '.join(PARTS)}")
    if shape(base) != shape(donor):
        raise ValueError("weights can be grafted between models of one shape")

    def layer(ours: Layer, theirs: Layer) -> Layer:
        names = [field.name for field in fields(ours)]
        taken = [n for n in names if (ATTENTION if n in OF_ATTENTION else MLPS) in parts]
        return replace(ours, **{name: getattr(theirs, name) for name in taken})

    layers = tuple(layer(*both) for both in zip(base.layers, donor.layers, strict=True))
    ends = donor if TOKENS in parts else base
    return replace(ends, layers=layers)


def lengthened(base: Network, donor: Network) -> Network:
    """``base`` with its own token vectors, each as long as ``donor``'s: longer vectors alone make larger margins."""
    ours, theirs = base.W_E, donor.W_E
    vectors = ours * theirs.norm(dim=-1, keepdim=True) / ours.norm(dim=-1, keepdim=True)
    return replace(base, W_E=vectors, W_U=vectors.T)


def with_tokens(base: Network, donor: Network) -> Iterator[tuple[str, Network]]:
    """What of the token vectors it is: ``donor``'s where tokens are read, where answers are read off, or lengths."""
    yield READ_IN, replace(base, W_E=donor.W_E, W_pos=donor.W_pos)
    yield READ_OFF, replace(base, W_U=donor.W_U, b_U=donor.b_U, norm=donor.norm)
    yield LENGTHS, lengthened(base, donor)


def shape(net: Network) -> list[object]:
    """The shapes of a network's weights, as far as grafts need them to agree."""
    first = [getattr(net.layers[0], field.name) for field in fields(Layer)]
    return [net.W_E.shape, len(net.layers), *(part.shape for part in first if isinstance(part, Tensor))]


def combined() -> Iterator[tuple[str, ...]]:
    """All selections of parts, from none to all."""
    for size in range(len(PARTS) + 1):
        yield from combinations(PARTS, size)


@torch.no_grad()
def graft_rows(base: Network, donor: Network, pairs: PromptPairs) -> pd.DataFrame:
    """What pairs get from each graft: columns ``parts`` (joined by `` + ``, or of `with_tokens`), ``margin, right``."""
    rows, mixed = [], [(" + ".join(parts) or "none", grafted(base, donor, parts)) for parts in combined()]
    for name, net in (*mixed, *with_tokens(base, donor)):
        logits = logits_after(net, pairs.clean_ids)[:, 0]
        right = hit_at_k(logits, pairs, k=1).mean().item()
        rows.append((name, logit_diff(logits, pairs).mean().item(), right))
    return pd.DataFrame(rows, columns=["parts", "margin", "right"])
