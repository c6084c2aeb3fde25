"""Transformers whose weights are set by hand, so that the right circuit is known: what searches are tried on first.

Features are orthonormal directions with mean zero, and one large constant feature makes every residual equally long,
so the layer norms scale everything alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.utils import logging as progress

from helpers.circuits.graph import head_place
from helpers.models.load import WEIGHTS, load_model
from helpers.prompts.pairs import PromptPairs

WORDS = range(1, 6)
CONSTANT, TOKEN, PREVIOUS, OUT, POSITION, UNREAD = 0, 0, 5, 10, 16, 23  # added to a word (or position): its features
SCALE = 8.0  # of the constant feature
Entries = Iterable[tuple[int, int, float]]  # feature, column, weight


@dataclass(frozen=True)
class Planted:
    """A model with its pairs and the names of the edges that its behaviour runs through."""

    model: object
    pairs: PromptPairs
    edges: frozenset[str]


def feature(index: int, d_model: int) -> torch.Tensor:
    """The direction of a feature, ``[d_model]``."""
    direction = torch.zeros(d_model)
    direction[index], direction[index + d_model // 2] = 0.5**0.5, -(0.5**0.5)
    return direction


@torch.no_grad()
def blank(
    shape: tuple[int, int, int], words: Sequence[int], positions: int, features: tuple[int, int, int, int], scale: float
) -> GPT2LMHeadModel:
    """A GPT-2 that embeds words and positions, reads answers, and computes nothing in between.

    Args:
        shape: d_model, layers, heads.
        features: the constant one, and what is added to a word for its token and its answer, and to a position.
        scale: of the constant feature.
    """
    d_model, layers, heads = shape
    constant, token, out, position = features
    sizes = dict(vocab_size=8192, n_positions=64, n_embd=d_model, n_layer=layers, n_head=heads)
    model = GPT2LMHeadModel(GPT2Config(**sizes, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0))
    for name, parameter in model.named_parameters():
        if "ln_" not in name:
            parameter.zero_()
    model.transformer.wte.weight += scale * feature(constant, d_model)
    for word in words:
        model.transformer.wte.weight[word] += feature(token + word, d_model)
        model.lm_head.weight[word] = 10 * feature(out + word, d_model)
    for place in range(positions):
        model.transformer.wpe.weight[place] = feature(position + place, d_model)
    return model


def small_blank() -> GPT2LMHeadModel:
    """`blank` with two layers of two heads, for `WORDS`."""
    return blank((64, 2, 2), WORDS, 8, (CONSTANT, TOKEN, OUT, POSITION), SCALE)


@torch.no_grad()
def set_head(
    model: GPT2LMHeadModel, name: str, *, q: Entries = (), k: Entries = (), v: Entries = (), out: Entries = ()
) -> None:
    """Set a head's matrices from (feature, column, weight) triples."""
    layer, head = head_place(name)
    attn, d_model = model.transformer.h[layer].attn, model.config.n_embd
    first = head * d_model // model.config.n_head
    for part, entries in enumerate((q, k, v)):
        for row, column, weight in entries:
            attn.c_attn.weight[:, part * d_model + first + column] += weight * feature(row, d_model)
    for row, column, weight in out:
        attn.c_proj.weight[first + column] += weight * feature(row, d_model)


def each(base: int, words: Iterable[int], weight: float = 1.0, start: int = 0) -> list[tuple[int, int, float]]:
    """Entries for `set_head`: each word's feature of one kind in a column of its own."""
    return [(base + word, start + word, weight) for word in words]


def decoy_head(model: GPT2LMHeadModel) -> None:
    """The head a0.h1 attends, moves token identities, and writes them where nothing reads."""
    set_head(model, "a0.h1", v=each(TOKEN, WORDS), out=each(UNREAD, WORDS))


@contextmanager
def silent() -> Iterator[None]:
    """No progress bars of transformers: they are for weights that take a while."""
    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            progress.enable_progress_bar()


def finished(model: PreTrainedModel, folder: Path | None = None) -> object:
    """The model as a bridge, by way of a folder on disk (a temporary one by default)."""
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return finished(model, Path(temporary))
    with silent():
        model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(WEIGHTS / "atlas").save_pretrained(folder)
    return load_model(str(folder), device="cpu")


def pairs_of_tokens(model, rows: list[tuple[list[int], list[int], int, int]]) -> PromptPairs:
    """Pairs from token ids: (clean, corrupt, answer, wrong answer), BOS is added."""
    clean, corrupt, answers, wrong = zip(*rows, strict=True)
    return PromptPairs.from_tokens(model, *([(0, *row) for row in part] for part in (clean, corrupt)), answers, wrong)


def planted_induction() -> Planted:
    """A previous-token head, an induction head that reads it through its keys, and a decoy head beside them.

    Three kinds of corruption, because each shows other edges: of the words before (keys), of the word that is asked
    (queries), and of the words that are copied (values).
    """
    model = small_blank()
    looks_back = [(POSITION + p, p - 1, 12.0) for p in range(1, 8)]
    places = each(POSITION, range(8), 12.0)
    set_head(model, "a0.h0", q=looks_back, k=places, v=each(TOKEN, WORDS), out=each(PREVIOUS, WORDS))
    same = dict(q=each(TOKEN, WORDS, 6.0), k=each(PREVIOUS, WORDS, 6.0))
    set_head(model, "a1.h0", **same, v=each(TOKEN, WORDS, start=5), out=each(OUT, WORDS, 2.0, start=5))
    decoy_head(model)
    bridge = finished(model)
    rows = []
    for a, b, c, d in ((1, 2, 3, 4), (2, 3, 4, 1), (3, 5, 1, 2), (5, 4, 2, 3)):
        rows.append(([a, b, c, d, a], [c, b, a, d, a], b, d))
        rows.append(([a, b, c, d, a], [a, b, c, d, c], b, d))
        rows.append(([a, b, c, d, a], [a, d, c, b, a], b, d))
    edges = {"embed->a0.h0<v>", "a0.h0->a1.h0<k>", "embed->a1.h0<q>", "embed->a1.h0<v>", "a1.h0->logits"}
    return Planted(bridge, pairs_of_tokens(bridge, rows), frozenset(edges))
