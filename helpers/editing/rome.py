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
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
from jaxtyping import Float
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from helpers.checks import Count, checked
from helpers.components.lens import BATCH
from helpers.editing.edit import (
    IGNORED,
    At,
    Batch,
    Edit,
    SuffixRun,
    batches,
    contexts,
    cut_run,
    essence,
    make_edit,
    output_weights,
    sample_prefixes,
)
from helpers.editing.requests import EditRequest
from helpers.models.load import _write, cache_folder
from helpers.models.network import read_network
from helpers.models.predict import padded, prompt_ids
from helpers.prompts.relations import REAL, read_text, relations

Keys = Literal["mean", "each"]


@dataclass(frozen=True)
class ValueSearch:
    """How the value is searched: Adam on the change `delta` of what the MLP writes at the edited position.

    Its lengths are in units of the residual stream behind the MLP, which is ten times longer in one model than in
    another: ``rate`` is the step of a component in units of the root mean square, ``decay`` weighs the squared length
    of `delta`, and `delta` never gets longer than ``clamp``. ``kl`` weighs the change of what the model says of the
    subject otherwise. The search stops when the mean loss of the answer (nats) falls below ``enough``.
    """

    steps: int = 25
    rate: float = 0.2
    kl: float = 0.0625
    decay: float = 0.1
    clamp: float = 2.0
    enough: float = 0.02


def rome(
    model,
    request: EditRequest,
    layer: int,
    *,
    at: At = "subject_last",
    prefixes: Sequence[str] | None = None,
    wordings: int = 0,
    keys: Keys = "mean",
    ridge: float = 0.0,
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

    Raises:
        ValueError: for an unknown option, layer or position, or a search that diverged.
    """
    if keys not in get_args(Keys):
        raise ValueError(f"unknown keys {keys!r}; choose from {', '.join(get_args(Keys))}")
    places = output_weights(model, layer)
    ((name, W),) = places.items()
    covariance = key_covariance(model, layer) if covariance is None else covariance
    prefixes = sample_prefixes(model) if prefixes is None else prefixes
    rows = contexts(model.tokenizer, request, prefixes, wordings, at)
    net = read_network(model)
    parts = batches([*rows, essence(model.tokenizer, request, at)], W.device)
    cuts = [part.cut(net, layer) for part in parts]
    delta, losses = find_value(parts, cuts, search)
    K = torch.cat([part.keys(cut)[_asks(part)] for part, cut in zip(parts, cuts, strict=True)])
    K = K.mean(0, keepdim=True) if keys == "mean" else K
    update = least_change(covariance, K, delta.expand(len(K), -1), ridge if keys == "each" else 0.0)
    return make_edit(places, {name: W + update}, losses, keys=K, delta=delta)


def _asks(part: Batch) -> Tensor:
    """The rows that have an answer (the essence has none)."""
    return (part.answers != IGNORED).any(-1)


def least_change(
    C: Float[Tensor, "d_mlp d_mlp"], K: Float[Tensor, "key d_mlp"], V: Float[Tensor, "key d_model"], ridge: float = 0.0
) -> Float[Tensor, "d_mlp d_model"]:
    """The change `U` of the output weights with ``K U = V`` for which ``trace(U^T C U)`` is smallest.

    `U = C^-1 K^T (K C^-1 K^T + r I)^-1 V`; for one key this is the paper's equation 2. ``trace(U^T C U)`` is the mean
    squared change of what the MLP writes over the text that `C` was measured on.

    Args:
        ridge: `r` as a share of the mean of the diagonal; above 0, ``K U`` only comes near `V`.

    Raises:
        ValueError: if `C` isn't a finite square matrix of the keys' size.
    """
    if C.shape != (K.shape[1],) * 2 or not torch.isfinite(C).all():
        raise ValueError(f"the key covariance has shape {list(C.shape)}; needed: finite, {K.shape[1]} x {K.shape[1]}")
    C, keys = C.double(), K.double()
    floor = 1e-6 * C.diagonal().mean()  # neurons that never fire would make the inverse infinite
    solved = torch.linalg.solve(C + floor * torch.eye(len(C), device=C.device, dtype=C.dtype), keys.T)
    gram = keys @ solved
    gram = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), device=C.device, dtype=C.dtype)
    return (solved @ torch.linalg.solve(gram, V.double())).to(V.dtype)


def find_value(
    parts: Sequence[Batch], cuts: Sequence[SuffixRun], search: ValueSearch
) -> tuple[Float[Tensor, " d_model"], list[float]]:
    """The change of what the MLP writes at the edited position that makes the model say the answer.

    Returns:
        The change, and the answer's mean loss in nats at each step.
    """
    behind = cuts[0].resid + cuts[0].written
    scale = behind[0, parts[0].at[0] - cuts[0].start].norm()
    delta = torch.zeros_like(behind[0, 0]).requires_grad_()
    adam = torch.optim.Adam([delta], lr=search.rate * float(scale) / len(delta) ** 0.5)
    with torch.no_grad():
        before = [_logits(part, cut, delta).log_softmax(-1) for part, cut in zip(parts, cuts, strict=True)]
    rows = sum(int(_asks(part).sum()) for part in parts)
    losses = []
    for _ in range(search.steps):
        answer = kept = 0.0
        for part, cut, old in zip(parts, cuts, before, strict=True):
            logits = _logits(part, cut, delta)
            each = cross_entropy(logits.flatten(0, 1), part.answers.flatten(), ignore_index=IGNORED, reduction="none")
            length = (part.answers != IGNORED).sum(-1).clamp_min(1)
            answer = answer + (each.view_as(part.answers).sum(-1) / length).sum() / rows
            quiet = ~_asks(part)
            if quiet.any():
                new = logits[quiet, 0].log_softmax(-1)
                kept = kept + kl_div(new, old[quiet, 0], log_target=True, reduction="batchmean")
        losses.append(answer.item())
        if losses[-1] < search.enough:
            break
        loss = answer + search.kl * kept + search.decay * (delta.norm() / scale) ** 2
        (delta.grad,) = torch.autograd.grad(loss, delta)
        adam.step()
        with torch.no_grad():
            delta.mul_((search.clamp * scale / delta.norm()).clamp(max=1.0))
    return delta.detach(), losses


def _logits(part: Batch, cut: SuffixRun, delta: Tensor) -> Float[Tensor, "row kept d_vocab"]:
    positions = torch.arange(cut.resid.shape[1], device=delta.device) + cut.start
    there = (positions[None] == part.at[:, None])[..., None]
    return cut.logits(cut.written + there * delta, part.keep)


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


def statements(model, names: Sequence[str] | None = None, most: int = 1000, seed: int = 0) -> list[list[int]]:
    """Sentences that state real facts, as rows of ids: a text for key covariances where no corpus is at hand."""
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
    model, layer: int, text: str | Path | Sequence[Sequence[int]] | None = None
) -> Float[Tensor, "d_mlp d_mlp"]:
    """The mean of ``k k^T`` over all positions but BOS, for the neurons ``k`` of one layer's MLP.

    Args:
        text: a text file, or rows of token ids; by default `statements` of real facts. The more it is like what the
            model was trained on, the better (for Atlas: `helpers.atlas.sample.corpus_covariance`).

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net = read_network(model)
    net.check_layer(layer)
    rows = [row[: model.cfg.n_ctx] for row in _rows(model, text)]
    name = f"second-moment-{_hash(model, layer, rows)}.safetensors"
    path = cache_folder() / name
    if (kept := _read(path, name, net.layers[layer].W_out.shape[0])) is not None:
        return kept.to(net.W_E.device)
    result = measure(net, layer, rows)
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
    """The key covariance itself, without any cache."""
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
