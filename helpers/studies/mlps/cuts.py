"""What MLPs cause: their output replaced, everywhere or at some positions only, and what is said instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.circuits.ablation import Ablation, in_places
from helpers.models.network import Network, read_network
from helpers.models.run import Step, forward
from helpers.prompts.pairs import PromptPairs

At = Literal["everywhere", "subject_last", "subject_rest", "last", "other"]
Sublayer = tuple[int, str]  # (layer, "attention" | "MLP")


def split_positions(pairs: PromptPairs, at: At) -> Bool[Tensor, "batch pos"]:
    """The positions of a prompt, each in one of four parts, or all of them.

    ``last`` is the last token, ``subject_last`` the subject's (where that isn't the last of all), ``subject_rest``
    the subject's other tokens, ``other`` all that remain.

    Raises:
        ValueError: for an unknown part, or if a subject isn't known.
    """
    if at not in get_args(At):
        raise ValueError(f"unknown positions {at!r}; choose from {', '.join(get_args(At))}")
    last = pairs.positions("last")
    if at == "everywhere":
        return torch.ones_like(last)
    if at == "last":
        return last
    subject, end = pairs.positions("subject") & ~last, pairs.positions("subject_last") & ~last
    return {"subject_last": end, "subject_rest": subject & ~end, "other": ~(subject | last)}[at]


def _name(step: Step) -> Sublayer:
    return step.sublayer // 2, "MLP" if step.is_mlp else "attention"


@torch.no_grad()
def sublayer_writes(net: Network, tokens: Int[Tensor, "batch pos"]) -> dict[Sublayer, Float[Tensor, "batch pos d"]]:
    """What each attention and each MLP writes, without its bias."""
    return {_name(step): step.written for step in forward(net, net.embed(tokens))}


@torch.no_grad()
def run_replaced(
    net: Network,
    tokens: Int[Tensor, "batch pos"],
    replaced: Mapping[Sublayer, Float[Tensor, "_ pos d"]],
    at: Bool[Tensor, "batch pos"],
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the last position when some sublayers write something else at some positions."""
    for step in forward(net, net.embed(tokens)):
        if _name(step) in replaced:
            step.write(torch.where(at[..., None], replaced[_name(step)], step.written))
    return net.unembed(step.after[:, -1])


def cut_sublayers(
    model,
    pairs: PromptPairs,
    sublayers: Sequence[Sublayer],
    *,
    at: At = "everywhere",
    ablation: Ablation = "corrupt",
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when sublayers write their ablated output at some positions.

    With ``at="everywhere"`` this is `run_circuit` without all outgoing edges of these sublayers.

    Args:
        sublayers: such as ``[(0, "MLP")]``; several are replaced together.
        ablation: what they write instead: what they write in the corrupt prompt, its mean over the corrupt prompts of
            equal length (position by position), or nothing (their bias stays).

    Raises:
        ValueError: for a sublayer that the model doesn't have, unknown positions or an unknown ablation.
    """
    net = read_network(model)
    if ablation not in get_args(Ablation):
        raise ValueError(f"unknown ablation {ablation!r}; choose from {', '.join(get_args(Ablation))}")
    for layer, part in sublayers:
        if part not in ("attention", "MLP") or not 0 <= layer < len(net.layers):
            raise ValueError(f"no sublayer {(layer, part)}; layers are 0 to {len(net.layers) - 1}, attention or MLP")
    parts = []
    for chosen, group in pairs.groups():
        writes = sublayer_writes(net, group.corrupt_tokens)
        other = {name: _ablated(writes[name], ablation) for name in sublayers}
        mask = split_positions(group, at).to(net.W_E.device)
        parts.append((chosen, run_replaced(net, group.clean_tokens, other, mask)))
    return in_places(parts)


def _ablated(written: Float[Tensor, "batch pos d"], ablation: str) -> Float[Tensor, "_ pos d"]:
    if ablation == "corrupt":
        return written
    return written.mean(0, keepdim=True) if ablation == "mean" else torch.zeros_like(written[:1])
