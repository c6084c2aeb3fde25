"""A Hugging Face model as its files have it, refused where they aren't whole or our forward pass isn't the model's.

The libraries that read models fill what is missing with random numbers, drop options that they don't know, and raise
whatever comes. Here each of these is a ValueError with one sentence that says where, and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.activations import ACT2FN

from helpers.models.network import SHAPES, check_covered, read_network
from helpers.models.run import resume

CONSTANTS = ("attn.masked_bias", "rotary_emb.inv_freq")  # old files have these; they are computed, not learned


def read_tokenizer(source: str) -> Any:
    """The tokenizer of a folder or of a name on the hub.

    Raises:
        ValueError: if it can't be read.
    """
    return _read("AutoTokenizer", source, "its tokenizer can't be read")


def read_original(source: str, device: str, dtype: torch.dtype) -> Any | None:
    """The Hugging Face model, if its files hold all that its configuration asks for, in numbers, and nothing else.

    Models of the hub that have no circuits anyway are left to TransformerLens (None).

    Raises:
        ValueError: if they don't, or if the configuration has an option that circuits don't cover.
        OSError: for a name on the hub that isn't to be had.
    """
    local = os.path.isdir(source)
    config = _read("AutoConfig", source, "its config.json can't be read")
    if config.model_type in SHAPES:
        check_covered(config)
    elif not local:
        return None
    for option in ("activation_function", "hidden_act"):
        if local and getattr(config, option, "linear") not in ACT2FN:
            raise ValueError(f"{source}: there is no {option} {getattr(config, option)!r}; correct its config.json")
    options = dict(output_loading_info=True, ignore_mismatched_sizes=True)  # refused below, by name
    options |= dict(dtype=dtype, attn_implementation="eager", use_safetensors=local or None)
    config.output_attentions = True  # as TransformerLens loads it, whose hooks give the patterns
    model, found = _read("AutoModelForCausalLM", source, "its weights can't be read", config=config, **options)
    for kind in ("missing", "unexpected", "mismatched"):
        keys = sorted(key if isinstance(key, str) else key[0] for key in found[f"{kind}_keys"])
        if keys := [key for key in keys if not key.endswith(CONSTANTS)]:
            names = ", ".join(keys[:3]) + " and more" * (len(keys) > 3)
            why = f"its weights don't fit its config.json; {kind} are {names}"
            raise ValueError(f"{source}: {why}; copy or save it again")
    for name, weight in model.named_parameters():
        if not weight.detach().sum().isfinite():
            raise ValueError(f"{source}: {name} has entries that aren't finite numbers; copy or save it again")
    return model.eval().to(device)  # TransformerLens leaves a model that it is given where it is


def said(model, source: str) -> Float[Tensor, "1 d_vocab"]:
    """The logits of a Hugging Face model after a short prompt.

    Raises:
        ValueError: if it can't run.
    """
    ids = _short_prompt(model, model.config.vocab_size, getattr(model.config, "max_position_embeddings", None) or 1)
    with torch.no_grad(), told(source, "it can't run as its config.json says"):
        return model(ids).logits[:, -1].float()


def check_law(bridge, source: str, expected: Float[Tensor, "1 d_vocab"]) -> None:
    """The law of all circuits: with all edges, they are the model; tried on a short prompt.

    Raises:
        ValueError: unless our forward pass, with the bridge's weights, gives the logits that the original `said`.
    """
    with torch.no_grad():
        net = read_network(bridge)
        ids = _short_prompt(bridge, len(net.W_E), net.n_ctx)
        ours = resume(net, net.embed(ids))
    if not (ours.isfinite().all() and expected.isfinite().all()):
        raise ValueError(f"{source}: its logits aren't finite numbers; copy or save the model again")
    tolerance = 1e-3 if net.W_E.dtype == torch.float32 else 5e-2
    if (ours - expected).abs().max() > tolerance * expected.abs().max().clamp_min(1e-3):
        raise ValueError(f"{source}: it computes something that circuits don't cover, so its edges can't be cut")


def _short_prompt(model, d_vocab: int, n_ctx: int) -> Int[Tensor, "1 pos"]:
    ids = [i * d_vocab // 7 for i in range(min(7, n_ctx))]
    return torch.tensor([ids], device=next(model.parameters()).device)


@contextmanager
def told(source: str, what: str) -> Iterator[None]:
    """The errors of other libraries as a ValueError, but for an OSError about a name on the hub."""
    try:
        yield
    except Exception as error:  # some of them raise bare exceptions
        if isinstance(error, OSError) and not os.path.isdir(source):
            raise
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"{source}: {what} ({why}); copy or save it again") from error


def _read(kind: str, source: str, what: str, **options) -> Any:
    import transformers

    with told(source, what):  # code that comes with a model isn't run, and nobody is asked whether it should be
        return getattr(transformers, kind).from_pretrained(source, trust_remote_code=False, **options)
