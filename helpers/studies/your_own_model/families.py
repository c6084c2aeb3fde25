"""Which families of models load, and what one gets for each: tried on tiny models with random weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import torch

from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.models.load import load_model, model_folder
from helpers.prompts.facts import relation_pairs

# Configurations of transformers, one for each family, and the names that a reader may know it by.
FAMILIES = {
    "GPT2Config": "GPT-2",
    "LlamaConfig": "Llama, SmolLM2, TinyLlama",
    "MistralConfig": "Mistral",
    "Qwen2Config": "Qwen2",
    "GemmaConfig": "Gemma",
    "GPTNeoXConfig": "Pythia (GPT-NeoX)",
    "OlmoConfig": "OLMo",
}
HEADS, WIDTH = 4, 32
SIZES = dict(
    num_hidden_layers=2,
    hidden_size=WIDTH,
    intermediate_size=64,
    num_attention_heads=HEADS,
    head_dim=WIDTH // HEADS,
    max_position_embeddings=64,
    vocab_size=8192,
    bos_token_id=0,
    eos_token_id=0,
    pad_token_id=0,
)
TEXT = "The capital of France is"


def save_tiny(config: str, folder: Path) -> None:
    """A tiny model with random weights of one of `FAMILIES`, saved with Atlas's tokenizer beside it."""
    import transformers
    from transformers.utils import logging

    kind = getattr(transformers, config)
    groups = dict(num_key_value_heads=HEADS // 2) if hasattr(kind(), "num_key_value_heads") else {}
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(kind(**SIZES, **groups))
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for seven tiny files is noise on a page
    try:
        model.save_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()
    transformers.AutoTokenizer.from_pretrained(model_folder("atlas")).save_pretrained(folder)


def tried(config: str) -> dict[str, object]:
    """What a family's model gives: whether it loads, can be hooked, and has circuits; and why not, if not.

    Returns:
        ``loads``, ``hooks`` (emptying the last MLP by a hook changes the logits), ``circuits`` (one with all edges
        gives the model's logits), and ``why``: the first sentence of what was refused.
    """
    row = dict(loads=False, hooks=False, circuits=False, why="")
    with tempfile.TemporaryDirectory() as folder:
        save_tiny(config, Path(folder))
        try:
            model = load_model(folder, device="cpu")
            row["loads"] = True
            row["hooks"] = _hooked(model)
            row["circuits"] = _has_circuits(model)
        except (OSError, ValueError) as error:
            row["why"] = str(error).replace(folder, "the model").split(";")[0]
    return row


@torch.no_grad()
def _hooked(model) -> bool:
    tokens = model.tokenizer(TEXT, return_tensors="pt").input_ids
    place = f"blocks.{model.cfg.n_layers - 1}.hook_mlp_out"
    silent = model.run_with_hooks(tokens, fwd_hooks=[(place, lambda value, hook: torch.zeros_like(value))])
    return not torch.allclose(model(tokens), silent)


def _has_circuits(model) -> bool:
    pairs = relation_pairs(model, "country_capital", 2, known=False)
    logits = run_circuit(model, Circuit.full(Graph.from_model(model)), pairs)
    return torch.allclose(logits, pairs.clean_logits(model), atol=1e-4)


def family_table() -> pd.DataFrame:
    """A row for each of `FAMILIES`: the columns of `tried`."""
    return pd.DataFrame([dict(family=name) | tried(config) for config, name in FAMILIES.items()])
