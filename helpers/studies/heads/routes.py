"""What a head brings from the subject, parted by its way: straight to the logits, or through later parts.

The classes of the chapter follow from it. Movers of `helpers.components.head_classes` are *attribute movers* if most of
their effect goes straight to the logits (they write the answer), and *propagation heads* if most of it doesn't: later
parts make the answer of what they bring.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.graph import head_place
from helpers.components.head_classes import Thresholds, name_heads
from helpers.components.heads import measure_heads
from helpers.components.lens import direct_logit_attribution
from helpers.models.network import Network, read_network
from helpers.models.run import LayerRun, head_writes, run_layers
from helpers.prompts.pairs import PromptPairs

CLASSES = ("attribute mover", "propagation", "relation", "mixture")
LETTERS = dict(zip((*CLASSES, "none"), "aprx-", strict=True))
WRITES, EFFECT, DIRECT = (
    0.01,
    0.02,
    0.5,
)  # shares of the lead or the type's logit; of the logit difference; of an effect


def thresholds(n_heads: int, times: float = 1.0) -> Thresholds:
    """The rule of the chapter: the same shares in every model, however many heads it has.

    Args:
        times: what all thresholds are multiplied by, those of attention too.
    """
    default = Thresholds()
    return Thresholds(
        subject_times=times * default.subject_times,
        relation_times=times * default.relation_times,
        writes_times=times * WRITES * n_heads,
        effect_times=times * EFFECT * n_heads,
    )


def classify(measured: pd.DataFrame, times: float = 1.0) -> pd.DataFrame:
    """The heads of a model with their ``class`` of `CLASSES`, or ``"none"``.

    In one relation, or in several at once: every threshold is a share of the row's own relation.

    Args:
        measured: as from `measured_heads`.
        times: as in `thresholds`.

    Returns:
        Also ``effect_share``, the effect of what a head brings from the subject over the logit difference, and
        ``direct_share``, the part of that effect that goes straight to the logits.
    """
    frame = name_heads(measured, thresholds(len(measured), times))
    frame["effect_share"] = frame.effect_from_subject / frame.model_diff
    frame["direct_share"] = frame.direct_from_subject / frame.effect_from_subject
    mover = frame["class"] == "mover"
    writes = (frame.direct_share >= DIRECT) & frame.has_effect
    frame.loc[mover, "class"] = "none"  # a mover that only names the answer, and causes nothing
    frame.loc[mover & frame.has_effect & ~writes, "class"] = "propagation"
    frame.loc[mover & writes, "class"] = "attribute mover"
    return frame


def measured_heads(model, pairs: PromptPairs) -> pd.DataFrame:
    """`measure_heads` with ``direct_from_subject`` (`brought_directly`)."""
    direct = brought_directly(model, pairs).flatten().tolist()
    return measure_heads(model, pairs).assign(direct_from_subject=direct)


@torch.no_grad()
def brought_directly(model, pairs: PromptPairs) -> Float[Tensor, "layer head"]:
    """The part of ``effect_from_subject`` that goes straight to the logits; mean over the pairs, in logits.

    What a head brings from the subject's tokens to the last position in the clean run less the same in the corrupt
    one, along the direction of the answer against the wrong answer, with the final norm's scale held.
    """
    net, total = read_network(model), 0.0
    for _, group in pairs.groups():
        clean, resid = run_layers(net, group.clean_tokens)
        corrupt, _ = run_layers(net, group.corrupt_tokens)
        against = (net.W_U[:, group.answer_ids] - net.W_U[:, group.wrong_ids]).T[:, None]
        both = zip(from_subject(net, clean, group), from_subject(net, corrupt, group), strict=True)
        parts = [direct_logit_attribution(net, a - b, resid[:, -1], against)[..., 0] for a, b in both]
        total = total + torch.stack(parts).sum(-1)
    return total / len(pairs)


@torch.no_grad()
def brought_ranks(model, pairs: PromptPairs, heads: Sequence[str]) -> Float[Tensor, "head 2"]:
    """The ranks of the answer and of the subject's last token in what heads bring from the subject.

    Among all tokens, by the logits that this part adds; 1 is the first. Medians over the pairs.
    """
    net, ranks = read_network(model), []
    for _, group in pairs.groups():
        runs, resid = run_layers(net, group.clean_tokens)
        parts = from_subject(net, runs, group)
        written = torch.stack(
            [parts[layer][number] for layer, number in map(head_place, heads)]
        )  # [head batch d_model]
        logits = net.norm.share(written, resid[:, -1]) @ net.W_U
        for row, (ids, subject) in enumerate(zip(group.clean_ids, group.subjects, strict=True)):
            wanted = logits[:, row, [int(group.answer_ids[row]), ids[subject.stop - 1]]]
            ranks.append((logits[:, row, None] > wanted[..., None]).sum(-1) + 1)
    return torch.stack(ranks).float().median(0).values


def from_subject(net: Network, runs: list[LayerRun], pairs: PromptPairs) -> list[Float[Tensor, "head batch d_model"]]:
    """By layer: what each head brings from the subject's tokens to the last position."""
    mask, parts = pairs.positions("subject"), []
    for layer, run in zip(net.layers, runs, strict=True):
        z = torch.einsum("bhk,bk,bkhd->bhd", run.pattern[:, :, -1], mask.to(run.pattern), run.values)
        parts.append(head_writes(layer, z[:, None])[:, :, 0])
    return parts
