"""Load a model for circuit work: an embedded Atlas, a local Hugging Face directory, or a name on the hub."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from helpers.checks import checked
from helpers.models.smollm2 import smollm2_folder

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
Dtype = Literal["float32", "bfloat16"]
WEIGHTS = Path(__file__).parents[1] / "weights"
CHECKSUMS = "checksums.json"
SMOLLM2 = "smollm2"
PATIENCE = 3.0  # seconds to wait for the hub; its own client tries again and again for half a minute
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(@\w+)?")
TEXT_END, CHAT_MARKER = "<|endoftext|>", "<|im_start|>"  # SmolLM2's pretraining put the former between texts
REMEDY = "install the package again or check the files out again (git checkout -- helpers/weights)"


def embedded_models() -> tuple[str, ...]:
    """The names of the models that come with the package, trained ones first, then checkpoints by step."""
    names = {file.split("/")[0] for file in _checksums()}
    return tuple(sorted(names, key=lambda name: (_step(name) is not None, _step(name) or 0, name)))


@checked
def checkpoints(name: str = "atlas") -> dict[int, str]:
    """The embedded checkpoints of a training run by step, the trained model last: ``{100: "atlas@100", ...}``.

    Raises:
        ValueError: for a model that isn't embedded, or is a checkpoint itself.
    """
    if "@" in name or name not in embedded_models():
        runs = ", ".join(run for run in embedded_models() if "@" not in run)
        raise ValueError(f"no training run {name!r}; choose from {runs}")
    steps = {_step(n): n for n in embedded_models() if n.startswith(f"{name}@")}
    plan = json.loads((model_folder(name) / "plan.json").read_text(encoding="utf-8"))
    return dict(sorted(steps.items())) | {plan["steps"]: name}


@checked
def model_folder(name: str) -> Path:
    """The folder of an embedded model, its files checked against their checksums.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, or there is no such model. The messages name the file and say what to do.
    """
    if name not in embedded_models():
        raise ValueError(f"no embedded model {name!r}; there are {', '.join(embedded_models())}")
    for file, expected in _checksums().items():
        if not file.startswith(f"{name}/"):
            continue
        path = WEIGHTS / file
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: {REMEDY}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ValueError(f"{path} is damaged (its checksum differs): {REMEDY}")
    return WEIGHTS / name


@checked
def load_model(
    name: str | Path = "atlas",
    *,
    device: str | None = None,
    dtype: Dtype = "float32",
    local_only: bool = False,
    begins_with: str | None = None,
) -> TransformerBridge:
    """A model ready for circuit work.

    Args:
        name: an embedded model (`embedded_models`: ``"atlas"``, ``"atlas-seed1"``, a checkpoint such as
            ``"atlas@100"``), ``"smollm2"`` (SmolLM2-135M, from its package), the path of a local Hugging Face
            directory, or a hub name (``"gpt2"``, ``"HuggingFaceTB/SmolLM2-135M"``), which needs a network or a filled
            cache.
        device: ``"cpu"``, ``"cuda"``, ...; by default the processor for an embedded model, which is so small that a
            GPU gains nothing, and TransformerLens's choice for local hardware for any other.
        dtype: of weights and activations. ``"bfloat16"`` needs half the memory; searches and circuit runs are then
            exact to its rounding (three digits), and editing isn't meant for it.
        local_only: take a hub name from the cache and never ask the hub.
        begins_with: the token that stands before every text, the model's ``tokenizer.bos_token`` from then on. By
            default its own BOS; `TEXT_END` where that is a chat's marker, which no text of the pretraining began
            with, or where there is none.

    Returns:
        A bridge with its raw weights, in evaluation mode, without gradients on parameters; the hook points that
        circuits need are on: q, k and v inputs and results per head, and MLP inputs.

    Raises:
        FileNotFoundError, ValueError: an embedded or local model is missing, damaged or of the wrong kind, has an
            option that circuits don't cover, or there is no such device or token.
        ImportError: for SmolLM2, if what reads its file isn't installed or is too old.
        ConnectionError: a hub name without a network; the message names the embedded alternatives.
    """
    _check_device(device)
    name = str(name)
    folder = Path(os.path.expanduser(name))
    if name in embedded_models():
        source, vocabulary = str(model_folder(name)), str(model_folder(name.split("@")[0]))
        device = device or "cpu"
    elif name == SMOLLM2:
        source = vocabulary = str(smollm2_folder())
    elif name and os.path.isdir(folder):
        source = vocabulary = str(_checked_local(folder))
    elif name and os.path.exists(folder) or folder.suffix in (".gguf", ".safetensors", ".bin", ".pt"):
        raise ValueError(f"{name!r} is a file; give the folder that has config.json, tokenizer.json and .safetensors")
    elif not HUB_NAME.fullmatch(name):
        raise FileNotFoundError(f"there is no folder {name!r}; embedded models are {', '.join(embedded_models())}")
    elif "@" in name or name.startswith("atlas"):
        raise ValueError(f"unknown model {name!r}; embedded are {', '.join(embedded_models())}")
    else:
        source = vocabulary = name
    with _no_waiting(local_only or os.path.isdir(source) or not hub_answers()):
        bridge = _boot(source, vocabulary, device, dtype)
    _begin(bridge, begins_with)
    return bridge


def _check_device(device: str | None) -> None:
    import torch

    try:
        known = device is None or torch.empty(0, device=device).device.type != "meta"
    except (RuntimeError, AssertionError, ImportError):
        known = False
    if not known:
        raise ValueError(f"there is no device {device!r} here; leave it out, or take 'cpu'")


def _begin(bridge, token: str | None) -> None:
    """Choose what stands before every text; the one place where this is decided."""
    tokenizer = bridge.tokenizer
    own, end = tokenizer.bos_token, tokenizer.eos_token
    known = {text: i for text, i in tokenizer.get_vocab().items() if i < bridge.cfg.d_vocab}
    if token is not None and token not in known:
        raise ValueError(f"the model has no token {token!r}; begins_with takes one of its tokenizer's tokens")
    likely = (token, own if own != CHAT_MARKER else None, TEXT_END, own, end)
    chosen = next((each for each in likely if each in known), None)
    if chosen is None:
        raise ValueError("the tokenizer has no token for a text's beginning; choose one of its tokens as begins_with")
    if chosen != own:  # the tokenizer itself puts it there from now on, for TransformerLens's methods, too
        from tokenizers.processors import TemplateProcessing

        tokenizer.bos_token = chosen
        template = TemplateProcessing(single=[chosen, "$A"], special_tokens=[(chosen, known[chosen])])
        tokenizer.backend_tokenizer.post_processor = template
        bridge.cfg.tokenizer_prepends_bos = True


def hub_answers(patience: float = PATIENCE) -> bool:
    """Whether the Hugging Face hub can be reached; behind a proxy nobody can tell, and the answer is yes."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    address = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), patience).close()
    except OSError:
        return False
    return True


@contextmanager
def _no_waiting(offline: bool) -> Iterator[None]:
    """Let the hub's client look into its cache only; without a network it would wait for half a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _boot(source: str, vocabulary: str, device: str | None, dtype: Dtype) -> TransformerBridge:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.utilities import get_device
    from transformers.utils import logging

    from helpers.models.network import SHAPES
    from helpers.models.original import check_law, read_original, read_tokenizer, said, told

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for reading some tensors is noise on a page; downloads keep theirs
    options = dict(device=device or str(get_device()), dtype=getattr(torch, dtype))
    try:
        tokenizer, expected = None, None
        original = read_original(source, **options)
        if original is not None:
            tokenizer = read_tokenizer(vocabulary)
            expected = said(original, source)  # now, because the bridge changes it and drops some options
        with told(source, "TransformerLens can't open it"):
            bridge = TransformerBridge.boot_transformers(source, hf_model=original, tokenizer=tokenizer, **options)
    except OSError as error:
        raise ConnectionError(
            f"{source!r} is neither an embedded model nor a local folder, and the hub has no such model or can't be "
            f"reached for it. Without a network, use one of: {', '.join(embedded_models())}"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()
    bridge.set_use_split_qkv_input(True)
    bridge.set_use_attn_result(True)
    bridge.set_use_hook_mlp_in(True)
    bridge.eval().requires_grad_(False)
    if bridge.original_model.config.model_type in SHAPES:  # others have hooks, and no circuits
        check_law(bridge, source, expected)
    return bridge


def _checked_local(folder: Path) -> Path:
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).is_file():
            raise FileNotFoundError(f"{folder} has no {needed}: it isn't a complete Hugging Face model directory")
    if not list(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{folder} has no .safetensors file; pickled weights aren't loaded, because a pickle can run any code: "
            "save the model again with safetensors"
        )
    return folder


def _checksums() -> dict[str, str]:
    path = WEIGHTS / CHECKSUMS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {REMEDY}")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {REMEDY}") from error


def _step(name: str) -> int | None:
    return int(name.split("@")[1]) if "@" in name else None
