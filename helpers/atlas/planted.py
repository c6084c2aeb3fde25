"""Transformers whose weights are set by hand, so that the right circuit is known: what searches are tried on first.

Features are orthonormal directions with mean zero, and one large constant feature makes every residual equally long,
so the layer norms scale everything alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.utils import logging as progress

from helpers.models.load import WEIGHTS, load_model
from helpers.prompts.pairs import PromptPairs

D_MODEL, HEADS, LAYERS = 64, 2, 2
D_HEAD = D_MODEL // HEADS
WORDS = 5
CONSTANT, TOKEN, PREVIOUS, OUT, POSITION, UNREAD = 0, 1, 6, 11, 16, 24  # first feature of each kind
SCALE = 8.0  # of the constant feature


@dataclass(frozen=True)
class Planted:
    """A model with its pairs and the names of the edges that its behaviour runs through."""

    model: object
    pairs: PromptPairs
    edges: frozenset[str]


def feature(index: int, d_model: int = D_MODEL) -> torch.Tensor:
    """The direction of a feature, ``[d_model]``."""
    direction = torch.zeros(d_model)
    direction[index], direction[index + d_model // 2] = 0.5**0.5, -(0.5**0.5)
    return direction


def idle_gpt2(d_model: int, layers: int, heads: int, positions: int) -> GPT2LMHeadModel:
    """A GPT-2 in which everything but the norms is zero; unembedding and embedding are separate."""
    config = GPT2Config(
        vocab_size=8192,
        n_positions=positions,
        n_embd=d_model,
        n_layer=layers,
        n_head=heads,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ln_" not in name:
                parameter.zero_()
    return model


def blank() -> GPT2LMHeadModel:
    """A GPT-2 of two layers that embeds words and positions, reads answers, and computes nothing in between."""
    model = idle_gpt2(D_MODEL, LAYERS, HEADS, positions=16)
    with torch.no_grad():
        model.transformer.wte.weight += SCALE * feature(CONSTANT)
        for word in range(1, WORDS + 1):
            model.transformer.wte.weight[word] += feature(TOKEN + word - 1)
            model.lm_head.weight[word] = 10 * feature(OUT + word - 1)
        for position in range(8):
            model.transformer.wpe.weight[position] = feature(POSITION + position)
    return model


@torch.no_grad()
def set_head(model: GPT2LMHeadModel, layer: int, head: int, *, q=(), k=(), v=(), out=()) -> None:
    """Set a head's matrices from (row feature, column, weight) triples; ``out`` from (column, feature, weight)."""
    attn = model.transformer.h[layer].attn
    for part, entries in enumerate((q, k, v)):
        for row, column, weight in entries:
            attn.c_attn.weight[:, part * D_MODEL + head * D_HEAD + column] += weight * feature(row)
    for column, row, weight in out:
        attn.c_proj.weight[head * D_HEAD + column] += weight * feature(row)


def decoy_head(model: GPT2LMHeadModel, layer: int, head: int) -> None:
    """A head that attends, moves token identities, and writes them where nothing reads."""
    words = range(WORDS)
    set_head(model, layer, head, v=[(TOKEN + w, w, 1.0) for w in words], out=[(w, UNREAD + w, 1.0) for w in words])


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


def planted_chain(folder: Path | None = None) -> Planted:
    """The first MLP turns the last token into the answer; a decoy head is active, but nothing reads it."""
    model = blank()
    mlp = model.transformer.h[0].mlp
    with torch.no_grad():
        for word in range(WORDS):
            mlp.c_fc.weight[:, word] = 2 * feature(TOKEN + word)
            mlp.c_proj.weight[word] = 2 * feature(OUT + word)
    decoy_head(model, 0, 1)
    bridge = finished(model, folder)
    rows = [([5, word], [5, other], word, other) for word in (1, 2, 3) for other in (1, 2, 3) if word != other]
    edges = frozenset({"embed->m0", "m0->logits"})
    return Planted(bridge, pairs_of_tokens(bridge, rows), edges)


def planted_induction(folder: Path | None = None) -> Planted:
    """A previous-token head, an induction head that reads it through its keys, and a decoy head beside them.

    Three kinds of corruption, because each shows other edges: of the words before (keys), of the word that is asked
    (queries), and of the words that are copied (values).
    """
    model = blank()
    words = range(WORDS)
    looks_back = [(POSITION + p, p - 1, 12.0) for p in range(1, 8)]
    set_head(
        model,
        0,
        0,
        q=looks_back,
        k=[(POSITION + p, p, 12.0) for p in range(8)],
        v=[(TOKEN + w, w, 1.0) for w in words],
        out=[(w, PREVIOUS + w, 1.0) for w in words],
    )
    set_head(
        model,
        1,
        0,
        q=[(TOKEN + w, w, 6.0) for w in words],
        k=[(PREVIOUS + w, w, 6.0) for w in words],
        v=[(TOKEN + w, WORDS + w, 1.0) for w in words],
        out=[(WORDS + w, OUT + w, 2.0) for w in words],
    )
    decoy_head(model, 0, 1)
    bridge = finished(model, folder)
    rows = []
    for a, b, c, d in ((1, 2, 3, 4), (2, 3, 4, 1), (3, 5, 1, 2), (5, 4, 2, 3)):
        rows.append(([a, b, c, d, a], [c, b, a, d, a], b, d))
        rows.append(([a, b, c, d, a], [a, b, c, d, c], b, d))
        rows.append(([a, b, c, d, a], [a, d, c, b, a], b, d))
    edges = {"embed->a0.h0<v>", "a0.h0->a1.h0<k>", "embed->a1.h0<q>", "embed->a1.h0<v>", "a1.h0->logits"}
    return Planted(bridge, pairs_of_tokens(bridge, rows), frozenset(edges))
