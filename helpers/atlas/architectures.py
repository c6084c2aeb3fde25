"""The two shapes that Atlas is trained in: GPT-2's and Llama's.

Llama has RMS norms, rotary positions, a gated MLP and grouped-query attention, as TinyLlama has. Both shapes of Atlas
have about as many weights.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

Architecture = Literal["gpt2", "llama"]
HEADS_PER_GROUP = 2  # query heads that share one key and value head, in the Llama shape
LLAMA_MLP = 8 / 3  # neurons for each direction of the stream: a gated MLP has three matrices instead of two of 4


def gpt2_config(d_model: int, n_layers: int, n_heads: int, context: int, **tokens: int) -> GPT2Config:
    """GPT-2 without dropout."""
    return GPT2Config(
        n_positions=context,
        n_embd=d_model,
        n_layer=n_layers,
        n_head=n_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        activation_function="gelu_pytorch_tanh",  # the same function as GPT-2's gelu_new, in one fused operation
        **tokens,
    )


def llama_config(
    d_model: int,
    n_layers: int,
    n_heads: int,
    context: int,
    attention_bias: bool = False,
    rope_base: float = 10_000.0,
    **tokens: int,
) -> LlamaConfig:
    """Llama with grouped queries; embedding and unembedding are one matrix, as in GPT-2."""
    return LlamaConfig(
        max_position_embeddings=context,
        hidden_size=d_model,
        intermediate_size=round(LLAMA_MLP * d_model),
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        num_key_value_heads=n_heads // HEADS_PER_GROUP,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        attention_bias=attention_bias,
        rope_parameters={"rope_type": "default", "rope_theta": rope_base},
        **tokens,
    )


def new_model(
    architecture: Architecture,
    seed: int,
    *,
    d_model: int,
    n_layers: int,
    n_heads: int,
    context: int,
    vocabulary_size: int,
    bos: int = 0,
    attention_bias: bool = False,
    rope_base: float = 10_000.0,
) -> GPT2LMHeadModel | LlamaForCausalLM:
    """A model with random weights, decided by the seed.

    Rotary heads tell distances apart only by what all queries and all keys share, their biases. From zero, where each
    is a factor of the other's gradient, these hardly move; so in Llama's shape they begin at random, too.

    Args:
        attention_bias: whether queries, keys, values and outputs have biases; GPT-2's always have.
        rope_base: of the rotary positions, which GPT-2 hasn't: the smaller, the faster their slowest pair turns.

    Raises:
        ValueError: for an architecture that isn't one of the two.
    """
    if architecture not in get_args(Architecture):
        raise ValueError(f"architecture must be one of {', '.join(get_args(Architecture))}, not {architecture!r}")
    torch.manual_seed(seed)
    config, model = {"gpt2": (gpt2_config, GPT2LMHeadModel), "llama": (llama_config, LlamaForCausalLM)}[architecture]
    tokens = {"vocab_size": vocabulary_size, "bos_token_id": bos, "eos_token_id": bos}
    more = {"attention_bias": attention_bias, "rope_base": rope_base} if architecture == "llama" else {}
    made = model(config(d_model, n_layers, n_heads, context, **more, **tokens))
    if architecture == "llama" and attention_bias:
        for layer in _blocks(made):
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                nn.init.normal_(projection.bias)
    return made


def split_parameters(model: GPT2LMHeadModel | LlamaForCausalLM) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The blocks' weight matrices, and everything else: embeddings, norms, biases."""
    blocks = {id(p) for p in _blocks(model).parameters() if p.ndim == 2}
    parameters = list(model.base_model.parameters())
    return [p for p in parameters if id(p) in blocks], [p for p in parameters if id(p) not in blocks]


def inputs_first(model: GPT2LMHeadModel | LlamaForCausalLM) -> bool:
    """Whether weight matrices are ``[in, out]``, as GPT-2 keeps them, or ``[out, in]``."""
    return isinstance(model, GPT2LMHeadModel)


def stored_config(model: GPT2LMHeadModel | LlamaForCausalLM) -> dict:
    """What ``config.json`` says of a model whose weights are stored in float16."""
    config = {"architectures": [type(model).__name__], **model.config.to_dict(), "torch_dtype": "float16"}
    if config.get("activation_function") == "gelu_pytorch_tanh":
        config["activation_function"] = "gelu_new"  # the name that GPT-2 has for it
    return {key: value for key, value in config.items() if value is not None}


def _blocks(model: GPT2LMHeadModel | LlamaForCausalLM) -> nn.ModuleList:
    return model.base_model.h if isinstance(model, GPT2LMHeadModel) else model.base_model.layers
