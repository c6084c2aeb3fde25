"""Checks of the exercises in *What an edit does to the circuit*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.circuits.graph import head_place
from helpers.editing.edit import Edit
from helpers.exercises.kit import Compared, attempted, check, expect, mean_interval, two_ends
from helpers.models.network import read_network
from helpers.models.run import run_layers

RANKS = (4000, 900, 500, 480, 20, 15, 1)  # behind the embedding and three layers
DRAWS = 1000


def fall(values: Sequence[float], layer: int, shift: int = 0) -> float:
    """The share of the whole fall that happens at one MLP; ``shift`` moves it by sublayers."""
    stop = 2 * layer + 2 + shift
    return (values[stop - 1] - values[stop]) / (values[0] - values[-1])


@check
def falls_at(fall_at: Callable[[Sequence[int], int], float]) -> None:
    """``fall_at(ranks, layer)`` is the share of the fall of the rank's logarithm that happens at the layer's MLP."""
    logs = [math.log(rank) for rank in RANKS]
    for layer in (0, 1, 2):
        given = float(attempted(fall_at(list(RANKS), layer)))
        right = fall(logs, layer)

        answer = Compared(given, right, 1e-3)
        answer.isnt(fall(RANKS, layer), "that is the rank itself; take its logarithm first.")
        answer.isnt(fall(logs, layer, -1), "that is the attention's share; the MLP comes after it.")
        both = right + fall(logs, layer, -1)
        answer.isnt(both, "that is the whole layer's share; leave the attention's out.")
        own_start = right * (logs[0] - logs[-1]) / (logs[2 * layer + 1] - logs[-1])
        answer.isnt(own_start, "the whole fall begins at the embedding, not before this MLP.")
        answer.isnt(right * (logs[0] - logs[-1]), "divide by the whole fall.")
        answer.isnt(-right, "the rank falls, so the share should be positive.")
        answer.is_right(f"at layer {layer} it is {right:.3f}, not {given:.3f}.")


@torch.no_grad()
def patched(
    model, edit: Edit, tokens: Tensor, heads: Sequence[str], *, everywhere: bool = False, into_edited: bool = True
) -> Tensor:
    """Logits with the heads' writes exchanged between the edited and the unedited model, at the last position."""
    plain, resid = run_layers(read_network(model), tokens)
    with edit:
        edited, _ = run_layers(read_network(model), tokens)

    def run() -> Tensor:
        net = read_network(model)
        base, other = (edited, plain) if into_edited else (plain, edited)
        replaced = {}
        for n, h in map(head_place, heads):
            replaced[n, h] = other[n].written[h].clone()
            if not everywhere:
                replaced[n, h][:, :-1] = base[n].written[h][:, :-1]
        return net.unembed(run_layers(net, tokens, replaced)[1][:, -1])

    if not into_edited:
        return run()
    with edit:
        return run()


@check
def patches_last(without_last: Callable[..., Tensor], model, edit: Edit, tokens: Tensor, heads: Sequence[str]) -> None:
    """``without_last(edit, tokens, heads)`` undoes the heads at the last position of the edited run."""
    given = attempted(without_last(edit, tokens, heads))
    expect(not edit.applied, "the edit is still in the model; use `with edit:`.")
    right = patched(model, edit, tokens, heads)
    expect(isinstance(given, Tensor) and given.shape == right.shape, f"return logits {tuple(right.shape)}.")

    everywhere = patched(model, edit, tokens, heads, everywhere=True)
    answer = Compared(given, right, 1e-2)
    answer.isnt(everywhere, "that patches all positions, not the last one only.")
    turned = patched(model, edit, tokens, heads, into_edited=False)
    answer.isnt(turned, "that patches the edited writes into the unedited run.")
    answer.isnt(patched(model, edit, tokens, []), "the heads still write what the edit made them.")
    answer.is_right(f"the logits differ by up to {(given - right).abs().max():.2f}.")


@check
def beyond_yardstick(beyond: Callable[..., Sequence[float]], table: pd.DataFrame) -> None:
    """``beyond(edited, natural, seed)`` is the paired interval of an edit's overlap minus the yardstick's."""
    by = ["model", "relation", "edit"]
    wide = table.pivot_table(index=by, columns=["editor", "layer"], values="edges")
    natural = wide["another fact", -1].tolist()
    for seed, key in enumerate((("ROME, subject's last token", 1), ("FT-M", 0))):
        edited = wide[key].tolist()
        given = two_ends(beyond(edited, natural, seed))
        right = mean_interval(np.subtract(edited, natural), seed, DRAWS)  # both lists resampled alike
        answer = Compared(given, right, 0.01)
        answer.isnt(-right[::-1], "that is `natural` minus `edited`.")
        expect(given[0] <= given[1], "the lower end comes first.")
        wider = given[1] - given[0] > 1.15 * (right[1] - right[0])
        expect(not wider, "the interval is too wide: resample the same requests in both lists.")
        answer.is_right(f"it is about [{right[0]:.3f}, {right[1]:.3f}], yours [{given[0]:.3f}, {given[1]:.3f}].")
