"""How the neurons of an MLP go together over a text: the uncentred second moment ``C = E[k k^T]`` that ROME needs.

ROME changes what the MLP says to one key and as little as possible to all other keys; `C` says which keys are usual.
It is computed over Atlas's own corpus or a text that the reader names, and kept in the user's cache folder under a
name made of the weights, the layer and the text: with other weights, another file is looked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from helpers.corpus import corpus
from helpers.edit_runs import cut_run, padded
from helpers.models import WEIGHTS
from helpers.network import read_network

DOCUMENTS = 3000  # of the corpus, about 50,000 tokens: C changes by less than a hundredth with twice as many
BATCH = 64
FOLDER = "KNOWLEDGE_CIRCUITS_CACHE"  # environment variable with another cache folder


def cache_folder() -> Path:
    """Where second moments are kept: ``$KNOWLEDGE_CIRCUITS_CACHE``, else the user's cache folder."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "knowledge-circuits"


def corpus_sample(
    tokenizer, count: int = DOCUMENTS, seed: int = 0, kinds: Sequence[str] | None = None
) -> list[list[int]]:
    """Token ids of ``count`` documents, drawn evenly from the corpus of Atlas's first training run, with BOS.

    With another tokenizer than Atlas's, documents of random tokens are left out: they are no text.

    Args:
        kinds: only documents of these kinds (``"fact"``, ``"list"``, and those of `helpers.corpus.DOCUMENTS`).

    Raises:
        ValueError: if there aren't so many such documents.
    """
    chosen = "-".join(["", *sorted(kinds)]).replace(" ", "_") if kinds else ""
    path = cache_folder() / f"documents{chosen}-{count}-{seed}-{_corpus_version()}{_other(tokenizer)}.json"
    if path.is_file():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if len(kept) == count and all(kept):
                return kept
        except (ValueError, TypeError):  # cut off while it was written
            pass
    own = not _other(tokenizer)
    documents = [d for d in corpus(0, range(257, len(tokenizer))) if own or not d.tokens]
    documents = [d for d in documents if not kinds or d.kind in kinds]
    if count > len(documents):
        raise ValueError(f"the corpus has {len(documents)} documents of kinds {kinds}, not {count}")
    documents = random.Random(seed).sample(documents, count)
    texts = [list(d.tokens) or tokenizer.encode(d.text, add_special_tokens=False) for d in documents]
    result = [[tokenizer.bos_token_id, *ids] for ids in texts]
    _write(path, lambda p: p.write_text(json.dumps(result), encoding="utf-8"))
    return result


def _corpus_version() -> str:
    """A hash of everything that the corpus is made from."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("corpus", "draw", "fiction", "skills", "world", "composed")]
    files += [*sorted((here / "facts").rglob("*.json")), WEIGHTS / "atlas" / "tokenizer.json"]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def _other(tokenizer) -> str:
    """Empty for Atlas's vocabulary, else a hash of the tokenizer's."""
    if len(tokenizer) == json.loads((WEIGHTS / "atlas" / "config.json").read_text(encoding="utf-8"))["vocab_size"]:
        return ""
    return "-" + hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab())).encode()).hexdigest()[:16]


def text_sample(tokenizer, path: str | Path, length: int = 128) -> list[list[int]]:
    """A text file in pieces of ``length`` tokens, each with BOS in front.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; give a text file like those that the model was trained on")
    ids = tokenizer.encode(path.read_text(encoding="utf-8"), add_special_tokens=False)
    if not ids:
        raise ValueError(f"{path} is empty; the second moment needs some thousand words")
    size = length - 1
    return [[tokenizer.bos_token_id, *ids[i : i + size]] for i in range(0, len(ids), size)]


def second_moment(
    model, layer: int, text: str | Path | Sequence[Sequence[int]] | None = None, *, cache: bool = True
) -> Float[Tensor, "d_mlp d_mlp"]:
    """The mean of ``k k^T`` over all positions but BOS, for the neurons ``k`` of one layer's MLP.

    Args:
        text: a text file, or rows of token ids; by default `DOCUMENTS` documents of Atlas's corpus. For a model that
            was trained on other text these are only sentences like those that the book asks about.
        cache: look for the result in the cache folder, and keep it there.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net = read_network(model)
    if not 0 <= layer < len(net.layers):
        raise ValueError(f"no layer {layer}; the model's are 0 to {len(net.layers) - 1}")
    rows = [row[: model.cfg.n_ctx] for row in _rows(model, text)]
    name = f"second-moment-{_hash(model, layer, rows)}.safetensors"
    path = cache_folder() / name
    if cache and (kept := _read(path, name, net.layers[layer].W_out.shape[0])) is not None:
        return kept.to(net.W_E.device)
    result = measure(net, layer, rows)
    if cache:
        _write(path, lambda p: save_file({"C": result.cpu().contiguous()}, p, {"name": name, "sum": _sum(result)}))
    return result


def _rows(model, text) -> Sequence[Sequence[int]]:
    if text is None:
        return corpus_sample(model.tokenizer)
    if isinstance(text, (str, Path)):
        return text_sample(model.tokenizer, text, min(128, model.cfg.n_ctx))
    return text


@torch.no_grad()
def measure(net, layer: int, rows: Sequence[Sequence[int]]) -> Float[Tensor, "d_mlp d_mlp"]:
    """The second moment itself, without any cache."""
    rows = sorted(rows, key=len)
    size = net.layers[layer].W_out.shape[0]
    total, count = torch.zeros(size, size, device=net.W_E.device), 0
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        tokens = padded(part, net.W_E.device)
        neurons = cut_run(net, tokens, layer).neurons
        real = torch.arange(tokens.shape[1])[None] < torch.tensor([len(r) for r in part])[:, None]
        real[:, 0] = False
        keys = neurons[real.to(neurons.device)]
        total += keys.T @ keys
        count += len(keys)
    if not count:
        raise ValueError("there is no token behind BOS to average over; give longer texts")
    return total / count


def _hash(model, layer: int, rows: Sequence[Sequence[int]]) -> str:
    """A name for what the result depends on: all weights up to the layer's neurons (here simply all), layer, text."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.original_model.state_dict().items()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    digest.update(json.dumps([layer, *map(list, rows)]).encode())
    return digest.hexdigest()[:32]


def _sum(matrix: Tensor) -> str:
    return hashlib.sha256(matrix.cpu().contiguous().numpy().data).hexdigest()


def _read(path: Path, name: str, size: int) -> Tensor | None:
    """What the cache holds, unless it is missing, damaged, or something else."""
    try:
        with safe_open(path, "pt") as file:
            about, matrix = file.metadata() or {}, file.get_tensor("C")
    except (OSError, SafetensorError):
        return None
    right = about.get("name") == name and matrix.shape == (size, size) and about.get("sum") == _sum(matrix)
    return matrix if right else None


def _write(path: Path, write) -> None:
    """Write beside the place first, so that nobody meets half a file; a folder that can't be written is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        write(part)
        part.replace(path)
    except OSError:
        pass
