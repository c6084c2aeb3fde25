"""Where a model holds an answer on its way: a clean state put into another subject's run, by layer and token."""

from __future__ import annotations

from typing import get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import PatchingRun, scenes
from helpers.circuits.metrics import logit_diff
from helpers.editing.tracing import Part, restore, states
from helpers.prompts.pairs import PromptPairs

WINDOW = 5  # layers around each whose attentions, or MLPs, are put back together


def role_of(position: int, subject: slice, length: int) -> str | None:
    """What a position is in a prompt; None before the subject. A subject of one token counts as its last."""
    if position == length - 1:
        return "last"
    if position >= subject.stop:
        return "words between"
    if position == subject.stop - 1:
        return "subject last"
    return None if position < subject.start else "subject before its last"


@torch.no_grad()
def recovered_by_place(scene: PatchingRun, part: Part, window: int) -> Float[Tensor, "layer pos batch"]:
    """How much of the logit difference each clean state brings back into the corrupt run, in logits."""
    net, pairs = scene.net, scene.pairs
    window = 1 if part == "resid" else window
    embeds = scene.embed, net.embed(pairs.corrupt_tokens, scene.start)
    clean, corrupt = (states(net, embed, scene.past) for embed in embeds)
    bottom = scene.measure_residual(logit_diff, corrupt["resid"][-1][:, -1])
    finals = (restore(net, clean, corrupt, n, part, window, scene.past) for n in range(len(net.layers)))
    return torch.stack([scene.measure_residual(logit_diff, final.flatten(0, 1)) - bottom for final in finals])


def map_rows(model, pairs: PromptPairs, window: int = WINDOW) -> pd.DataFrame:
    """The share of the logit difference that a clean state brings back, by part, layer and role of its position.

    Shares are ratios of means over all facts and positions of the role; ``facts`` counts the former.
    """
    rows = []
    for _, scene in scenes(model, pairs, "corrupt", clean=True):
        length = scene.tokens.shape[1]
        sides = scene.clean[1][:, -1], states(scene.net, scene.net.embed(scene.pairs.corrupt_tokens), None)["resid"][-1]
        ends = [scene.measure_residual(logit_diff, final)[0] for final in (sides[0], sides[1][:, -1])]
        for part in get_args(Part):
            values = recovered_by_place(scene, part, window)
            for row, subject in enumerate(scene.pairs.subjects):
                whole = float(ends[0][row] - ends[1][row])
                for at in range(scene.start, length):
                    if role := role_of(at, subject, length):
                        back = values[:, at - scene.start, row].tolist()
                        key = (part, role, scene.pairs.clean[row], whole)
                        rows += [(*key, n, value) for n, value in enumerate(back)]
    each = pd.DataFrame(rows, columns=["part", "role", "fact", "whole", "layer", "back"])
    table = each.groupby(["part", "role", "layer"]).agg(
        back=("back", "sum"), whole=("whole", "sum"), facts=("fact", "nunique")
    )
    table["share"] = table.back / table.whole
    return table[["share", "facts"]].reset_index()
