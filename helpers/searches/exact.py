"""Exact scores: cut each edge alone and see what happens, the measurement that attribution estimates."""

from __future__ import annotations

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checks import Count, Model, Whole, checked
from helpers.circuits.ablation import Ablation, scenes
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun, sublayer_of
from helpers.circuits.metrics import DirectedMetric, Metric, logit_diff
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
    return Scores(graph, _measured(model, pairs, metric, graph.edges, ablation, batch, progress).float())


@checked
@torch.no_grad()
def exact_sample(
    model: Model,
    pairs: PromptPairs,
    n: Count = 3000,
    metric: DirectedMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
    seed: Whole = 0,
) -> pd.DataFrame:
    """`exact_scores` of a sample of edges, where a model has too many for all.

    The sample is stratified by what the reader is (query, key, value, MLP, logits): as many of each as there are, or
    an equal share.

    Returns:
        Columns ``edge, kind, score``.
    """
    graph, generator = Graph.from_model(model), torch.Generator().manual_seed(seed)
    kinds = [
        name.split("<")[1][0] if "<" in name else "logits" if name == "logits" else "MLP" for name in graph.readers
    ]
    strata = {kind: torch.tensor([kind == other for other in kinds]) for kind in dict.fromkeys(kinds)}
    chosen, left = torch.zeros_like(graph.edges), n
    counts = {kind: int(graph.edges[rows].sum()) for kind, rows in strata.items()}
    for number, kind in enumerate(sorted(counts, key=counts.__getitem__)):
        places = (graph.edges & strata[kind][:, None]).nonzero()
        some = places[torch.randperm(len(places), generator=generator)[: left // (len(counts) - number)]]
        chosen[some[:, 0], some[:, 1]] = True
        left -= len(some)
    values = _measured(model, pairs, metric, chosen, ablation, batch)
    rows = [(graph.name(r, s), kinds[r], float(values[r, s])) for r, s in chosen.nonzero().tolist()]
    return pd.DataFrame(rows, columns=["edge", "kind", "score"])


def _measured(
    model,
    pairs: PromptPairs,
    metric: Metric,
    chosen: Bool[Tensor, "reader source"],
    ablation: str,
    batch: int | None,
    progress: bool = False,
) -> Float[Tensor, "reader source"]:
    """The scores of the chosen edges, 0 elsewhere."""
    graph = Graph.from_model(model)
    values = torch.zeros(graph.edges.shape, dtype=torch.float64)
    for _, scene in scenes(model, pairs, ablation, batch):
        run = MaskedRun(scene, graph, graph.edges)
        last = len(graph.readers) - 1
        whole = scene.measure_residual(metric, run.inputs[last][:, -1]).double().sum()
        size = max(1, TOKENS_AT_ONCE // scene.embed.shape[:2].numel())
        for reader in tqdm(chosen.any(1).nonzero().flatten().tolist(), disable=not progress, desc="readers"):
            for sources in chosen[reader].nonzero().flatten().split(size):
                final = _final_without(run, reader, sources)
                cut = scene.measure_residual(metric, final).double().sum(1)
                values[reader, sources] += (whole - cut).cpu()
    return values * metric.sign / len(pairs)


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
