"""A transformer of GPT-2's or Llama's shape that computes nothing yet, and whose heads and neurons are set by hand.

Features are random orthonormal directions with mean zero. Nothing depends on positions: GPT-2's are zero, and Llama's
queries and keys use the columns that hardly turn. One large constant feature keeps residuals about equally long; it is
also what thresholds are made of, so that what a neuron does doesn't depend on the norm's scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from helpers.atlas.architectures import Architecture, inputs_first
from helpers.circuits.graph import Graph, head_place

D_HEAD, N_LAYERS, D_MLP, VOCABULARY = 32, 4, 96, 8192
HEADS = {"gpt2": (6, 6), "llama": (8, 4)}  # heads, and key/value heads
CONSTANT, SCALE = 0, 16.0  # the constant feature and its size
STEEP = 60.0  # makes an activation nearly a straight line that begins at 0
LOGIT = 10.0
EPS = 1e-5
Entries = Iterable[tuple[int, int, float]]  # feature, column, weight
Sum = Sequence[tuple[int, float]]  # feature, weight


@dataclass(frozen=True)
class Canvas:
    """The model, and the directions of its features."""

    model: PreTrainedModel
    basis: Float[Tensor, "feature d_model"]

    @property
    def graph(self) -> Graph:
        """The graph of the model."""
        config = self.model.config
        groups = getattr(config, "num_key_value_heads", config.num_attention_heads)
        return Graph(config.num_hidden_layers, config.num_attention_heads, groups)

    @property
    def unit(self) -> float:
        """How large a feature of size 1 is after the first norm."""
        return ((SCALE**2 + 1) / self.basis.shape[1] + EPS) ** -0.5

    @property
    def branches(self) -> tuple[str, ...]:
        """What an MLP's neurons read with: one matrix, or a gate and what it is multiplied with."""
        return tuple(part for part in _matrices(self.model, 0) if part in ("gate", "up"))

    @torch.no_grad()
    def head(self, name: str, *, q: Entries = (), k: Entries = (), v: Entries = (), out: Entries = ()) -> None:
        """Set a head's matrices; of a group's keys and values, those that its heads share."""
        layer, head = head_place(name)
        group = head * self.graph.n_groups // self.graph.n_heads
        rows = dict(zip("qkvo", (head, group, group, head), strict=True))
        for letter, entries in zip("qkvo", (q, k, v, out), strict=True):
            for feature, column, weight in entries:
                column = D_HEAD // 2 - 1 - column if letter in "qk" else column  # rotary positions turn these least
                _matrices(self.model, layer)[letter][rows[letter], column] += weight * self.basis[feature]

    @torch.no_grad()
    def neuron(self, layer: int, reads: Sum, writes: Sum, times: Sum = ((CONSTANT, 1 / SCALE),)) -> None:
        """Let an unused neuron write what it reads, if that is more than 0.

        In a gated MLP the gate reads ``reads`` and is multiplied with ``times``, by default a constant; GPT-2's MLP
        has no such branch.
        """
        parts = _matrices(self.model, layer)
        free = int(parts["down"].any(1).sum())
        for part, entries, factor in (("up", times, 1.0), ("gate", reads, STEEP), ("down", writes, 1 / STEEP)):
            if part in parts:
                parts[part][free] = factor * sum(weight * self.basis[feature] for feature, weight in entries)


def _matrices(model: PreTrainedModel, layer: int) -> dict[str, Tensor]:
    """Views of a layer's weights: ``q k v o`` are [head, column, d_model], and ``gate up down`` [neuron, d_model]."""
    if inputs_first(model):
        block = model.transformer.h[layer]
        q, k, v = block.attn.c_attn.weight.T.unflatten(0, (3, -1, D_HEAD))
        o = block.attn.c_proj.weight.unflatten(0, (-1, D_HEAD))
        return dict(q=q, k=k, v=v, o=o, gate=block.mlp.c_fc.weight.T, down=block.mlp.c_proj.weight)
    block = model.model.layers[layer]
    attn, mlp = block.self_attn, block.mlp
    rows = dict(q=attn.q_proj.weight, k=attn.k_proj.weight, v=attn.v_proj.weight, o=attn.o_proj.weight.T)
    parts = {letter: weight.unflatten(0, (-1, D_HEAD)) for letter, weight in rows.items()}
    return parts | dict(gate=mlp.gate_proj.weight, up=mlp.up_proj.weight, down=mlp.down_proj.weight.T)


@torch.no_grad()
def canvas(
    architecture: Architecture, rng: np.random.Generator, words: dict[int, Sum], answers: dict[int, int]
) -> Canvas:
    """An empty model with a random basis.

    Args:
        words: token -> what its embedding holds beside the constant; all other tokens hold that alone.
        answers: token -> the feature that its logit reads.
    """
    heads, groups = HEADS[architecture]
    d_model = heads * D_HEAD
    ends = dict(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)
    if architecture == "gpt2":
        sizes = dict(n_positions=64, n_embd=d_model, n_layer=N_LAYERS, n_head=heads, n_inner=D_MLP)
        model = GPT2LMHeadModel(GPT2Config(**sizes, layer_norm_epsilon=EPS, **ends))
    else:
        sizes = dict(hidden_size=d_model, intermediate_size=D_MLP, num_hidden_layers=N_LAYERS, rms_norm_eps=EPS)
        sizes |= dict(num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=64)
        turns = {"rope_type": "default", "rope_theta": 1e12}
        model = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=turns, **ends))
    for name, parameter in model.named_parameters():
        if "ln_" not in name and "norm" not in name:
            parameter.zero_()
    directions = rng.standard_normal((d_model, d_model - 1))
    basis = np.linalg.qr(directions - directions.mean(0))[0].T
    made = Canvas(model.eval(), torch.tensor(basis, dtype=torch.float32))
    embedding, unembedding = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embedding += SCALE * made.basis[CONSTANT]
    for token, entries in words.items():
        embedding[token] += sum(weight * made.basis[feature] for feature, weight in entries)
    for token, feature in answers.items():
        unembedding[token] = LOGIT * made.basis[feature]
    unembedding[0] = -LOGIT * made.basis[CONSTANT]  # BOS is never said
    return made
