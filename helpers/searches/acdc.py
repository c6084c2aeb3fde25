"""ACDC: cut edges one at a time, from the logits back, and keep those that the metric needs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checks import Count, Model, Positive, checked
from helpers.circuits.ablation import Ablation, scenes
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun
from helpers.circuits.memory import Shape, tokens_at_once
from helpers.circuits.metrics import DirectedMetric, Metric, kl
from helpers.prompts.pairs import PromptPairs

FIRST_WIDTH = 8  # trials in a batch at first; a batch grows while all its cuts are accepted, and shrinks when not
TOKENS_AT_ONCE = 8192


@checked
@torch.no_grad()
def acdc(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = kl,
    *,
    tau: Positive,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
    progress: bool = False,
) -> Circuit:
    """Automatic circuit discovery (arXiv 2304.14997): an edge goes if the metric hardly misses it.

    Readers are visited from the logits to the first layer (within a layer: MLP, values, keys, queries, each from the
    last head to the first), a reader's edges from the latest source to the earliest. Each cut is compared with the
    state that the cuts before it left; it is accepted if the mean metric gets worse by less than ``tau``. The result
    is that of the plain sweep, one run for each edge, and comes faster:

    - sources before the reader are as in the clean run, and only what kept edges connect to it is computed again;
    - cuts are tried ahead: state j of a batch has the next j edges cut, and the first state that is too bad ends it;
    - a reader whose node feeds no kept edge loses all its edges without a run.

    Args:
        tau: the largest worsening that is accepted, in the metric's unit; at 0, edges that do nothing would stay.
        batch: pairs in one tensor. (The state of the run is kept for all pairs, so this saves little memory here.)
        progress: show a bar.
    """
    graph = Graph.from_model(model)
    kept = graph.edges.clone()
    runs = [MaskedRun(scene, graph, kept) for _, scene in scenes(model, pairs, ablation, batch)]
    last = len(graph.readers) - 1
    current = _losses(runs, metric, [run.inputs[last][:, -1][None] for run in runs]).item()
    width, most = FIRST_WIDTH, tokens_at_once(TOKENS_AT_ONCE, Shape.from_model(model).row)
    for reader in tqdm(range(last, -1, -1), disable=not progress, desc="readers"):
        if reader == last or kept[:, graph.source_of(reader)].any():
            for run in runs:
                run.trim()
            current, width = _visit(runs, reader, metric, tau, current, width, most)
        else:
            kept[reader] = False
    return Circuit(graph, kept)


def _visit(
    runs: list[MaskedRun], reader: int, metric: Metric, tau: float, current: float, width: int, tokens: int
) -> tuple[float, int]:
    """Cut what can be cut of a reader's edges; from the loss and the number of trials ahead to the new ones.

    ``tokens`` is how many positions of trials fit into memory.
    """
    kept = runs[0].kept  # the runs share it
    most = max(1, tokens // sum(run.inputs[0].shape[:2].numel() for run in runs))
    todo = kept[reader].nonzero().flatten().flip(0)
    while len(todo):
        ahead = todo[: min(width, most)]
        changes = [run.cuts(reader, ahead) for run in runs]
        losses = _losses(runs, metric, [run.trial(reader, change) for run, change in zip(runs, changes, strict=True)])
        worse = losses - torch.cat((losses.new_tensor([current]), losses[:-1]))
        too_bad = (worse >= tau).nonzero().flatten()
        accepted = int(too_bad[0]) if len(too_bad) else len(ahead)
        if accepted:
            for run, change in zip(runs, changes, strict=True):
                run.commit(reader, change[accepted - 1])
            kept[reader, ahead[:accepted]] = False
            current = losses[accepted - 1].item()
        width = max(1, len(ahead) // 2) if len(too_bad) else min(2 * width, most)
        todo = todo[accepted + bool(len(too_bad)) :]
    return current, width


def _losses(
    runs: list[MaskedRun], metric: Metric, finals: list[Float[Tensor, "trial _ d_model"]]
) -> Float[Tensor, " trial"]:
    """The mean loss over all pairs of each trial: the metric, or minus it where more is better."""
    total, count = 0.0, 0
    for run, part in zip(runs, finals, strict=True):
        total = total + run.scene.measure_residual(metric, part.flatten(0, 1)).double().sum(1)
        count += len(run.scene.pairs)
    return -metric.sign * total / count
