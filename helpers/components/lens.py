"""The logit lens, sublayer by sublayer: where on its way the answer becomes the likeliest token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.checks import Amount, Count, Model, checked
from helpers.circuits.ablation import run_writes
from helpers.circuits.graph import Graph
from helpers.models.network import Network, read_network
from helpers.models.run import residuals, stop_names
from helpers.prompts.pairs import PromptPairs

Where = Literal["subject_last", "last"]
Read = Literal["final norm", "no norm"]
PARTS = ("attention", "MLP")
BATCH = 8  # pairs at a time: the writes of all sources are in memory


def against_mean(net: Network, ids: Int[Tensor, " token"]) -> Float[Tensor, "token d_model"]:
    """The directions that read a token's logit against the mean logit over the vocabulary."""
    return net.W_U[:, ids].T - net.W_U.mean(1)


def direct_logit_attribution(
    net: Network,
    written: Float[Tensor, "head batch d_model"],
    resid: Float[Tensor, "batch d_model"],
    directions: Float[Tensor, "batch kind d_model"],
) -> Float[Tensor, "head batch kind"]:
    """Direct logit attribution: what writes add to logits when the final norm's scale is held at the run's own.

    Args:
        written: what each head writes at one position.
        resid: the final residual there, which sets the scale.
        directions: what is read from it, such as `against_mean`.
    """
    return torch.einsum("hbd,bkd->hbk", net.norm.share(written, resid), directions)


def type_members(pairs: PromptPairs) -> Int[Tensor, " member"]:
    """The token ids of the answers' type: all answers and wrong answers of the pairs."""
    return torch.cat((pairs.answer_ids, pairs.wrong_ids)).unique()


def mean_of_others(
    logits: Float[Tensor, "*any batch member"], members: Int[Tensor, " member"], answers: Int[Tensor, " batch"]
) -> Float[Tensor, "*any batch"]:
    """The mean over the logits of a type's members, each pair's own answer left out."""
    others = (members[None] != answers[:, None]).to(logits)
    return (logits * others).sum(-1) / others.sum(-1)


@checked
@torch.no_grad()
def lens_logits(
    net: Network, resid: Float[Tensor, "*at d_model"], read: Read = "final norm"
) -> Float[Tensor, "*at d_vocab"]:
    """The logits that a residual would give if the model ended there.

    Args:
        read: through the final norm, as the model reads its last residual; or without any norm, a common mistake:
            it leaves out the norm's weights, and with a bias the residual's mean.
    """
    return net.unembed(resid) if read == "final norm" else resid @ net.W_U + net.b_U


@checked
def answer_by_layer(
    model: Model,
    pairs: PromptPairs,
    *,
    places: Sequence[Where] = get_args(Where),
    read: Read = "final norm",
) -> pd.DataFrame:
    """How likely the answer is at each stop of the residual stream, beside a wrong answer and a random token.

    Args:
        pairs: with known subjects; they may differ in length.
        places: the subject's last token, the last token of the prompt.

    Returns:
        One row for each pair, place, stop and token: ``pair, place, stop`` (0 is the embedding), ``behind`` (its
        name), ``layer`` (0 for the embedding and the first layer), ``part`` (embedding, attention or MLP), ``token``
        (answer, wrong or random), ``rank`` (1 is the likeliest), ``probability``, ``lead`` (its logit minus the mean
        logit of the type's other members: all answers and wrong answers of the pairs).

    Raises:
        ValueError: if a subject isn't known.
    """
    net = read_network(model)
    members = type_members(pairs)
    drawn = torch.randint(1, net.W_U.shape[1], (len(pairs),), generator=torch.Generator().manual_seed(0))
    tokens = {"answer": pairs.answer_ids, "wrong": pairs.wrong_ids, "random": drawn.to(members.device)}
    tables = []
    for chosen, group in pairs.groups():
        stops = residuals(net, group.clean_tokens)
        for place in places:
            at = group.positions(place).to(stops.device)
            logits = lens_logits(net, stops[:, at], read)  # [stop batch d_vocab]
            for name, token in tokens.items():
                numbers = _numbers(logits, token[chosen.to(token.device)], members)
                tables.append(_tidy(numbers, chosen).assign(place=place, token=name))
    table = pd.concat(tables, ignore_index=True)
    table["behind"] = table.stop.map(dict(enumerate(stop_names(len(net.layers)))))
    table["layer"] = (table.stop - 1).clip(0) // 2
    table["part"] = table.stop.map(lambda stop: PARTS[(stop - 1) % 2] if stop else "embedding")
    order = ["pair", "place", "stop", "behind", "layer", "part", "token", "rank", "probability", "lead"]
    return table[order].sort_values(["place", "token", "pair", "stop"], ignore_index=True)


def _numbers(
    logits: Float[Tensor, "stop batch d_vocab"], token: Int[Tensor, " batch"], members: Int[Tensor, " member"]
) -> dict[str, Tensor]:
    at = token.expand(len(logits), -1)[..., None]
    own = logits.gather(-1, at)
    return {
        "rank": (logits > own).sum(-1) + 1,
        "probability": logits.softmax(-1).gather(-1, at)[..., 0],
        "lead": own[..., 0] - mean_of_others(logits[..., members], members, token),
    }


def _tidy(numbers: dict[str, Tensor], chosen: Int[Tensor, " batch"]) -> pd.DataFrame:
    stops, batch = numbers["rank"].shape
    columns = {name: values.flatten().tolist() for name, values in numbers.items()}
    stop = torch.arange(stops).repeat_interleave(batch).tolist()
    return pd.DataFrame({"pair": chosen.repeat(stops).tolist(), "stop": stop, **columns})


@checked
@torch.no_grad()
def attribution_by_sublayer(model: Model, pairs: PromptPairs) -> Float[Tensor, "stop batch"]:
    """What the embedding and each sublayer add to the answer's logit at the last position, in logits.

    Direct logit attribution: against the mean over the vocabulary, with the final norm's scale held; biases included.
    The sum over stops is the answer's logit against the mean, but for what the final norm's bias adds.
    """
    net = read_network(model)
    result = torch.empty(1 + 2 * len(net.layers), len(pairs), device=net.W_U.device)
    for chosen, group in pairs.groups():
        stops = residuals(net, group.clean_tokens)[:, :, -1]
        added = torch.cat((stops[:1], stops.diff(dim=0)))
        directions = against_mean(net, group.answer_ids)[:, None]
        result[:, chosen] = direct_logit_attribution(net, added, stops[-1], directions)[..., 0]
    return result


@checked
def written_words(model: Model, pairs: PromptPairs, nodes: Sequence[str], k: Count = 5) -> dict[str, list[str]]:
    """The ``k`` tokens whose logits each source's own write raises most, on the mean over the clean prompts.

    Direct logit attribution at the last position, the only one that the answer's logits read; biases belong to no
    source. The mean, not the difference to the corrupt prompts: both ask for the same kind of answer, so the
    difference would hide what a source says in all of them. What it says only to later sources doesn't show here.

    Args:
        nodes: names of sources, such as ``circuit.nodes``.

    Returns:
        For each source its tokens as they are, leading spaces included, most raised first.

    Raises:
        ValueError: for a name that is no source, or a ``k`` that isn't between 1 and the size of the vocabulary.
    """
    sources = Graph.from_model(model).sources
    for name in nodes:
        if name not in sources:
            raise ValueError(f"{name!r} is no source; sources are embed, {sources[1]}, ..., {sources[-1]}")
    net, rows = read_network(model), [sources.index(name) for name in nodes]
    if k > net.W_U.shape[1]:
        raise ValueError(f"k must be between 1 and {net.W_U.shape[1]}, the size of the vocabulary, not {k}")
    raised = sum(_raised(net, group, rows) for _, group in pairs.groups(BATCH))
    best = raised.topk(k).indices.tolist()
    return {name: [model.tokenizer.decode([i]) for i in row] for name, row in zip(nodes, best, strict=True)}


@torch.no_grad()
def _raised(net: Network, pairs: PromptPairs, rows: list[int]) -> Float[Tensor, "source d_vocab"]:
    """What each source adds to the logits at the last position, summed over pairs of one length."""
    writes, resid = run_writes(net, pairs.clean_tokens)
    written = writes.expand(net)[rows, :, -1]
    return net.norm.share(written, resid[:, -1]).sum(1) @ net.W_U


@checked
def neuron_words(model: Model, layer: Amount, neuron: Amount, k: Count = 5) -> list[str]:
    """The ``k`` tokens whose logits a neuron's output vector raises most, read through the final norm's weights.

    Raises:
        ValueError: for a layer or a neuron that the model doesn't have, or more tokens than its vocabulary has.
    """
    net = read_network(model)
    net.check_layer(layer)
    if neuron >= (size := len(net.layers[layer].W_out)) or k > net.W_U.shape[1]:
        raise ValueError(f"neurons are 0 to {size - 1} and tokens {net.W_U.shape[1]}, not neuron {neuron} and k {k}")
    out = net.layers[layer].W_out[neuron]
    out = out - out.mean() if net.norm.centred else out
    return [model.tokenizer.decode([i]) for i in ((out * net.norm.weight) @ net.W_U).topk(k).indices.tolist()]
