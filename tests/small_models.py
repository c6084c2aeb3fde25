"""Small random models, for laws that hold whatever the weights are."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from helpers.atlas.planted import (
    OUT,
    TOKEN,
    WORDS,
    Planted,
    decoy_head,
    feature,
    finished,
    pairs_of_tokens,
    small_blank,
)
from helpers.models.predict import answer_ids, prompt_ids

ENDS = dict(bos_token_id=0, eos_token_id=0)


def gpt2_shaped() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=8192, n_positions=64, n_embd=32, n_layer=2, n_head=4, **ENDS))


def llama_shaped() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        **ENDS,
    )
    return LlamaForCausalLM(config)


def random_model(shape: str, folder: Path, scale: float = 4.0) -> object:
    """One of them as a bridge, with weights large enough to matter."""
    torch.manual_seed(0)
    model = {"gpt2": gpt2_shaped, "llama": llama_shaped}[shape]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(scale)
            elif name.endswith("bias"):  # GPT-2 begins with biases of zero, which would hide mistakes about them
                parameter.normal_(std=0.2)
    return finished(model, folder)


def planted_chain() -> Planted:
    """The first MLP turns the last token into the answer; a decoy head is active, but nothing reads it."""
    model = small_blank()
    mlp, d_model = model.transformer.h[0].mlp, model.config.n_embd
    with torch.no_grad():
        for neuron, word in enumerate(WORDS):
            mlp.c_fc.weight[:, neuron] = 2 * feature(TOKEN + word, d_model)
            mlp.c_proj.weight[neuron] = 2 * feature(OUT + word, d_model)
    decoy_head(model)
    bridge = finished(model)
    rows = [([5, word], [5, other], word, other) for word in (1, 2, 3) for other in (1, 2, 3) if word != other]
    edges = frozenset({"embed->m0", "m0->logits"})
    return Planted(bridge, pairs_of_tokens(bridge, rows), edges)


class Parrot:
    """Says after each prompt what it was told to, token by token."""

    def __init__(self, tokenizer, said):
        self.tokenizer = tokenizer
        self.rows = [[*prompt_ids(tokenizer, a), *answer_ids(tokenizer, a, b)] for a, b in said.items()]

    def __call__(self, tokens):
        logits = torch.zeros(*tokens.shape, len(self.tokenizer))
        for batch, ids in enumerate(tokens.tolist()):
            for pos in range(len(ids)):
                then = [row[pos + 1] for row in self.rows if row[: pos + 1] == ids[: pos + 1] and len(row) > pos + 1]
                logits[batch, pos, then[:1]] = 1.0
        return logits
