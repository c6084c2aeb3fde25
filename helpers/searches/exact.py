"""Exact scores: cut each edge alone and see what happens, the measurement that attribution estimates."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checks import Count, Model, checked
from helpers.circuits.ablation import Ablation, scenes
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun, sublayer_of
from helpers.circuits.metrics import DirectedMetric, logit_diff
from helpers.circuits.scores import Scores
from helpers.models.run import final_residual, repeat_past
from helpers.prompts.pairs import PromptPairs

TOKENS_AT_ONCE = 8192


@checked
@torch.no_grad()
def exact_scores(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
    progress: bool = False,
) -> Scores:
    """How much worse the mean metric gets when one edge is cut and all others stay.

    The edges of a reader share all that comes before it, and are run together from there on. ``batch`` pairs go through
    the model at a time, by default as many as fit.
    """
    graph = Graph.from_model(model)
    values = torch.zeros(graph.edges.shape, dtype=torch.float64)
    for _, scene in scenes(model, pairs, ablation, batch):
        run = MaskedRun(scene, graph, graph.edges)
        last = len(graph.readers) - 1
        whole = scene.measure_residual(metric, run.inputs[last][:, -1]).double().sum()
        size = max(1, TOKENS_AT_ONCE // scene.embed.shape[:2].numel())
        for reader in tqdm(range(len(graph.readers)), disable=not progress, desc="readers"):
            for sources in graph.edges[reader].nonzero().flatten().split(size):
                final = _final_without(run, reader, sources)
                cut = scene.measure_residual(metric, final).double().sum(1)
                values[reader, sources] += (whole - cut).cpu()
    return Scores(graph, (values * metric.sign / len(pairs)).float())


def _final_without(
    run: MaskedRun, reader: int, sources: Int[Tensor, " trial"]
) -> Float[Tensor, "trial_and_batch d_model"]:
    """The final residual with the edge from each of ``sources`` to the reader cut, one trial after the other."""
    graph, change = run.graph, -run.differences[sources]
    if reader == len(graph.readers) - 1:
        return (run.inputs[reader] + change)[:, :, -1].flatten(0, 1)
    following = sublayer_of(graph, reader) + 1
    resid = run.inputs[graph.reader_rows(following).start] + run.own_change(reader, change)
    return final_residual(run.net, resid.flatten(0, 1), following, repeat_past(run.scene.past, len(sources)))
