"""How the neurons of an MLP go together over a text: the uncentred second moment ``C = E[k k^T]`` that ROME needs.

ROME changes what the MLP says to one key and as little as possible to all other keys; `C` says which keys are usual.
It is computed over a text that the reader names, or over statements of real facts, and kept in the cache folder under a
name made of the weights, the layer and the text: with other weights, another file is looked for.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from helpers.editing.contexts import cut_run
from helpers.models.load import _write, cache_folder
from helpers.models.network import read_network
from helpers.models.predict import padded, prompt_ids
from helpers.prompts.relations import REAL, relations

BATCH = 64


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


def statements(model, names: Sequence[str] | None = None, most: int = 1000, seed: int = 0) -> list[list[int]]:
    """Sentences that state real facts, as rows of ids: a text for second moments where no corpus is at hand."""
    rows = []
    for name, asked in relations(*REAL).items():
        if names is not None and name not in names:
            continue
        for fact in asked.facts:
            for paraphrase in range(len(asked.templates)):
                rows.append((asked.prompt(fact, paraphrase), fact.answer))
    chosen = random.Random(seed).sample(rows, min(most, len(rows)))
    return [prompt_ids(model.tokenizer, f"{prompt} {answer}") for prompt, answer in chosen]


def key_covariance(
    model, layer: int, text: str | Path | Sequence[Sequence[int]] | None = None, *, cache: bool = True
) -> Float[Tensor, "d_mlp d_mlp"]:
    """The mean of ``k k^T`` over all positions but BOS, for the neurons ``k`` of one layer's MLP.

    Args:
        text: a text file, or rows of token ids; by default `statements` of real facts. The more it is like what the
            model was trained on, the better (for Atlas: `helpers.atlas.sample.corpus_covariance`).
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
        return statements(model)
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
