"""Load a model for circuit work: an embedded Atlas, a local Hugging Face directory, or a name on the hub.

Every model comes as a TransformerLens `TransformerBridge` with its raw weights, in evaluation mode, without gradients
on parameters, and with the hook points that circuits need: q, k and v inputs and results per head, and MLP inputs.
"""

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

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
Dtype = Literal["float32", "bfloat16"]
WEIGHTS = Path(__file__).parents[1] / "weights"
CHECKSUMS = "checksums.json"
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
    plan = json.loads((WEIGHTS / name / "plan.json").read_text(encoding="utf-8"))
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
            ``"atlas@100"``), the path of a local Hugging Face directory, or a hub name (``"gpt2"``,
            ``"TinyLlama/TinyLlama-1.1B-Chat-v1.0"``), which needs a network or a filled cache.
        device: ``"cpu"``, ``"cuda"``, ...; by default the processor for an embedded model, which is so small that a
            GPU gains nothing, and TransformerLens's choice for local hardware for any other.
        dtype: of weights and activations. ``"bfloat16"`` needs half the memory; searches and circuit runs are then
            exact to its rounding (three digits), and editing isn't meant for it.
        local_only: take a hub name from the cache and never ask the hub.
        begins_with: the token that stands before every text, the model's ``tokenizer.bos_token`` from then on. By
            default its own BOS; `TEXT_END` where that is a chat's marker, which no text of the pretraining began
            with, or where there is none.

    Returns:
        A bridge in evaluation mode; split q/k/v inputs, per-head results and MLP inputs are on.

    Raises:
        FileNotFoundError, ValueError: an embedded or local model is missing, damaged or of the wrong kind, has an
            option that circuits don't cover, or there is no such device or token.
        ConnectionError: a hub name without a network; the message names the embedded alternatives.
    """
    _check_device(device)
    folder, name = Path(name).expanduser(), str(name)
    if name in embedded_models():
        source, tokenizer = str(model_folder(name)), _tokenizer(model_folder(name.split("@")[0]))
        device = device or "cpu"
    elif name and folder.is_dir():
        source, tokenizer = str(_checked_local(folder)), _tokenizer(folder)
    elif name and folder.exists() or folder.suffix in (".gguf", ".safetensors", ".bin", ".pt"):
        raise ValueError(f"{name!r} is a file; give the folder that has config.json, tokenizer.json and .safetensors")
    elif not HUB_NAME.fullmatch(name):
        raise FileNotFoundError(f"there is no folder {name!r}; embedded models are {', '.join(embedded_models())}")
    elif "@" in name or name.startswith("atlas"):
        raise ValueError(f"unknown model {name!r}; embedded are {', '.join(embedded_models())}")
    else:
        source, tokenizer = name, None
    with _no_waiting(local_only or Path(source).is_dir() or not hub_answers()):
        bridge = _boot(source, tokenizer, device, dtype)
    _begin(bridge, begins_with)
    bridge.set_use_split_qkv_input(True)
    bridge.set_use_attn_result(True)
    bridge.set_use_hook_mlp_in(True)
    bridge.eval().requires_grad_(False)
    _check_law(bridge, source)
    return bridge


def _check_device(device: str | None) -> None:
    import torch

    try:
        known = device is None or torch.empty(0, device=device).device.type != "meta"
    except (RuntimeError, AssertionError):
        known = False
    if not known:
        raise ValueError(f"there is no device {device!r} here; leave it out, or take 'cpu'")


def _begin(bridge, token: str | None) -> None:
    """Choose what stands before every text; the one place where this is decided."""
    tokenizer = bridge.tokenizer
    known, own = tokenizer.get_vocab(), tokenizer.bos_token
    if token is not None and token not in known:
        raise ValueError(f"the tokenizer has no token {token!r}; begins_with takes one of its tokens")
    likely = (token, own if own != CHAT_MARKER else None, TEXT_END, own, tokenizer.eos_token)
    chosen = next((each for each in likely if each in known), None)
    if chosen is None:
        raise ValueError("the tokenizer has no token for a text's beginning; choose one of its tokens as begins_with")
    if chosen != own:  # the tokenizer itself puts it there from now on, for TransformerLens's methods, too
        from tokenizers.processors import TemplateProcessing

        tokenizer.bos_token = chosen
        template = TemplateProcessing(single=[chosen, "$A"], special_tokens=[(chosen, known[chosen])])
        tokenizer.backend_tokenizer.post_processor = template
        bridge.cfg.tokenizer_prepends_bos = True


def _check_law(bridge, source: str) -> None:
    """Raise ValueError unless our forward pass gives the original's logits on a short prompt."""
    import torch

    from helpers.models.network import SHAPES, read_network
    from helpers.models.run import resume

    if bridge.original_model.config.model_type not in SHAPES:
        return  # it has hooks, and no circuits: `read_network` says so
    size, device = bridge.W_E.shape[0], bridge.W_E.device
    ids = torch.tensor([[i * size // 7 for i in range(min(7, bridge.cfg.n_ctx))]], device=device)
    with torch.no_grad():
        net = read_network(bridge)
        ours, theirs = resume(net, net.embed(ids)), bridge.original_model(ids).logits[:, -1].float()
    if not ours.isfinite().all():
        raise ValueError(f"{source}: the weights aren't all finite numbers; get or save the model again")
    tolerance = 1e-3 if bridge.W_E.dtype == torch.float32 else 5e-2
    if (ours - theirs).abs().max() > tolerance * theirs.abs().max().clamp_min(1e-3):
        raise ValueError(f"{source}: it computes something that circuits don't cover, so its edges can't be cut")


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


def _boot(source: str, tokenizer: object, device: str | None, dtype: Dtype) -> TransformerBridge:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for reading some tensors is noise on a page; downloads keep theirs
    options = dict(tokenizer=tokenizer, device=device, dtype=getattr(torch, dtype))
    try:
        local = _local_weights(source, options["dtype"]) if Path(source).is_dir() else None
        return TransformerBridge.boot_transformers(source, hf_model=local, **options)
    except OSError as error:  # what the hub client raises when it can't reach a file
        raise ConnectionError(
            f"{source!r} is neither an embedded model nor a local folder, and the hub can't be reached for it. "
            f"Without a network, use one of: {', '.join(embedded_models())}"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()


def _local_weights(folder: str, dtype: object) -> object:
    """The Hugging Face model of a folder, if its files hold all that its configuration asks for, and nothing else."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    options = dict(dtype=dtype, attn_implementation="eager", use_safetensors=True, local_files_only=True)
    from helpers.models.network import check_covered

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        config.output_attentions = True  # as TransformerLens loads it, whose hooks give the patterns
        model, found = AutoModelForCausalLM.from_pretrained(folder, config=config, output_loading_info=True, **options)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        why = str(error).strip().split("\n")[0][:200]
        raise ValueError(f"{folder} can't be read as a model ({why}); copy or save it again") from error
    for kind in ("missing", "unexpected", "mismatched"):
        if names := sorted(map(str, found[f"{kind}_keys"])):
            raise ValueError(f"{folder}: its weights don't fit its config.json; {kind} are {', '.join(names[:3])}"
                             f"{' and more' if len(names) > 3 else ''}; copy or save it again")  # fmt: skip
    check_covered(config)  # before the bridge, which drops some options
    return model


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


def _tokenizer(folder: Path) -> object:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers' own library raises bare exceptions
        why = str(error).strip().split("\n")[0][:200]
        raise ValueError(f"{folder} has no readable tokenizer ({why}); copy or save it again") from error


def _checksums() -> dict[str, str]:
    path = WEIGHTS / CHECKSUMS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {REMEDY}")
    return json.loads(path.read_text(encoding="utf-8"))


def _step(name: str) -> int | None:
    return int(name.split("@")[1]) if "@" in name else None
