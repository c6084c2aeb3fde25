"""ROME: write one fact into one MLP by a rank-one change (arXiv 2202.05262, section 3.1).

An MLP's output weights `W` answer keys (its neurons) with values (what it writes). The edit finds a value `v*` that
makes the model say the new answer, and the smallest change of `W` that answers the subject's key with it. What is
small is weighed by the key covariance ``C = E[k k^T]`` (uncentred; ROME's code calls it mom2), which says which keys
are usual. It is measured over a text that the reader names, or over statements of real facts, and kept in the cache
folder under a name made of the weights, the layer and the text: with other weights, another file is looked for.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from helpers.checks import Amount, Count, Model, Whole, checked
from helpers.editing.edit import At, Edit, contexts, cut_run, essence, make_batch, make_edit, sample_prefixes
from helpers.editing.requests import EditRequest
from helpers.editing.scores import measured
from helpers.editing.value_search import NotNegative, ValueSearch, check_covariance, find_value, least_change
from helpers.editing.weights import check_precision, output_weights
from helpers.files import cache_folder, read_text, write_whole
from helpers.models.network import read_network
from helpers.models.predict import padded, prompt_ids
from helpers.prompts.relations import REAL, relations

Keys = Literal["mean", "each"]
TOKENS_AT_ONCE = 1024  # for a covariance: fewer are slow to multiply, more don't fit into a processor's caches


@checked
def rome(
    model: Model,
    request: EditRequest,
    layer: Whole,
    *,
    at: At = "subject_last",
    prefixes: Sequence[str] | None = None,
    wordings: Amount = 0,
    keys: Keys = "mean",
    ridge: NotNegative = 0.0,
    covariance: Float[Tensor, "d_mlp d_mlp"] | None = None,
    search: ValueSearch = ValueSearch(),  # noqa: B008  (frozen)
) -> Edit:
    """Write the request's new answer into the MLP of ``layer``; the edit isn't in the model yet.

    Args:
        at: the position whose key is answered anew: the subject's last token, as in the paper, or the prompt's last.
        prefixes: texts before the prompt; by default ten that the model makes up (draw them once for many edits).
        wordings: how many of the request's further wordings to look at, for keys and value alike.
        keys: answer the mean of all contexts' keys (the paper), or each of them (as MEMIT does, arXiv 2210.07229).
        ridge: how far ``"each"`` may miss: added to the diagonal of ``K C^-1 K^T``, as a share of its mean.
        covariance: the key covariance C of this layer (`key_covariance`), if it is at hand.

    Returns:
        The edit; ``about`` has its ``keys``, the ``delta`` of the search, and the ``probability`` of the new answer
        after the prompt with the edit in (`measured`, which warns where the search succeeds and the edit doesn't).

    Raises:
        ValueError: for a layer that the model doesn't have, a covariance of another size or not finite, keys that
            can't all be answered, or a search that diverged.
    """
    check_precision(model)
    ((name, W),) = (places := output_weights(model, layer)).items()
    covariance = key_covariance(model, layer) if covariance is None else covariance
    check_covariance(covariance, len(W))
    prefixes = sample_prefixes(model) if prefixes is None else prefixes
    rows = contexts(model.tokenizer, request, prefixes, wordings, at)
    part = make_batch([*rows, essence(model.tokenizer, request, at)], W.device)
    cut = part.cut(read_network(model), layer)
    delta, losses = find_value(part, cut, search)
    K = cut.keys[part.asks]
    K = K.mean(0, keepdim=True) if keys == "mean" else K
    update = least_change(covariance, K, delta.expand(len(K), -1), ridge if keys == "each" else 0.0)
    return measured(make_edit(places, {name: W + update}, losses, keys=K, delta=delta), request)


@checked
def text_sample(tokenizer, path: str | Path, length: Annotated[Count, Field(ge=2)] = 128) -> list[list[int]]:
    """A text file (UTF-8) in pieces of ``length`` tokens, each with BOS in front.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, too large or no UTF-8.
    """
    path, text = read_text(path, "a text file like those that the model was trained on")
    ids = tokenizer.encode(text, add_special_tokens=False)
    if not ids:
        raise ValueError(f"{path} is empty; the key covariance needs some thousand words")
    size = length - 1
    return [[tokenizer.bos_token_id, *ids[i : i + size]] for i in range(0, len(ids), size)]


@checked
def statements(
    model: Model, names: Sequence[str] | None = None, most: Count = 1000, seed: Whole = 0
) -> list[list[int]]:
    """Sentences that state real facts, as rows of ids: a text for key covariances where no corpus is at hand.

    Raises:
        ValueError: for the name of a relation that isn't one of real facts.
    """
    rows, real = [], relations(*REAL)
    if unknown := [name for name in names or () if name not in real]:
        raise ValueError(f"no relation of real facts is called {unknown[0]!r}; choose from {', '.join(real)}")
    for name, asked in real.items():
        if names is not None and name not in names:
            continue
        for fact in asked.facts:
            for paraphrase in range(len(asked.templates)):
                rows.append((asked.prompt(fact, paraphrase), fact.answer))
    chosen = random.Random(seed).sample(rows, min(most, len(rows)))
    return [prompt_ids(model.tokenizer, f"{prompt} {answer}") for prompt, answer in chosen]


@checked
def key_covariance(
    model: Model, layer: Whole, text: str | Path | Sequence[Any] | None = None
) -> Float[Tensor, "d_mlp d_mlp"]:
    """The mean of ``k k^T`` over all positions but BOS, for the neurons ``k`` of one layer's MLP.

    Args:
        text: a text file, or a list of texts; by default `statements` of real facts. The more it is like what the
            model was trained on, the better (for Atlas: `helpers.atlas.sample.corpus_covariance`). Rows of this
            model's own token ids are taken, too, BOS in front; ids of another vocabulary can't be told from them, so
            give texts where there is a choice. What is longer than the model's context is cut.

    Raises:
        FileNotFoundError: if there is no such text file.
        ValueError: for a layer that the model doesn't have, or rows that aren't the model's; the message names the
            first.
    """
    net = read_network(model)
    net.check_layer(layer)
    rows = [row[: model.cfg.n_ctx] for row in _rows(model, text)]
    name = f"second-moment-{_hash(model, layer, rows)}.safetensors"
    path = cache_folder() / name
    if (kept := _read(path, name, net.layers[layer].W_out.shape[0])) is not None:
        return kept.to(net.W_E.device)
    check_covariance(result := measure(net, layer, rows), net.layers[layer].W_out.shape[0])
    with suppress(OSError):  # a cache that can't be written is no error
        write_whole(path, lambda p: save_file({"C": result.cpu().contiguous()}, p, {"name": name, "sum": _sum(result)}))
    return result


def _rows(model, text) -> Sequence[Sequence[int]]:
    if text is None:
        return statements(model)
    if isinstance(text, (str, Path)):
        return text_sample(model.tokenizer, text, min(128, model.cfg.n_ctx))
    rows = [prompt_ids(model.tokenizer, row) if isinstance(row, str) else row for row in text]
    begin, size = prompt_ids(model.tokenizer, "")[:1], len(model.W_E)
    for number, row in enumerate(rows):
        ids = row if isinstance(row, (list, tuple)) and all(type(token) is int for token in row) else [-1]
        if [*ids[: len(begin)]] != begin or not all(0 <= token < size for token in ids):
            raise ValueError(f"row {number} of the text isn't the model's: its ids begin with {begin} (BOS) and lie "
                             f"below {size}; give texts, and they are encoded")  # fmt: skip
    return rows


@torch.no_grad()
def measure(net, layer: int, rows: Sequence[Sequence[int]]) -> Float[Tensor, "d_mlp d_mlp"]:
    """The key covariance itself, without any cache."""
    rows = sorted(rows, key=len)
    size = net.layers[layer].W_out.shape[0]
    total, count = torch.zeros(size, size, device=net.W_E.device), 0
    rows_at_once = max(1, TOKENS_AT_ONCE // max(map(len, rows), default=1))
    for first in range(0, len(rows), rows_at_once):
        part = rows[first : first + rows_at_once]
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
