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

TOKENS_AT_ONCE = 2048  # more don't fit into a processor's caches, and are slower


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

    The edges into one sublayer share all that comes before it, and are run together from there on. ``batch`` pairs go
    through the model at a time, by default as many as fit.
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
    counts = [int(chosen[graph.reader_rows(sublayer)].sum()) for sublayer in range(2 * graph.n_layers + 1)]
    by_sublayer = chosen.nonzero().split(counts)  # the later sublayers are the same for all readers of one
    for _, scene in scenes(model, pairs, ablation, batch):
        run = MaskedRun(scene, graph, graph.edges)
        whole = scene.measure_residual(metric, run.inputs[-1][:, -1]).double().sum()
        size = max(1, TOKENS_AT_ONCE // scene.embed.shape[:2].numel())
        parts = [part for edges in by_sublayer for part in edges.split(size) if len(part)]
        for readers, sources in tqdm([part.unbind(1) for part in parts], disable=not progress, desc="edges"):
            cut = scene.measure_residual(metric, _final_without(run, readers, sources)).double().sum(1)
            values[readers, sources] += (whole - cut).cpu()
    return values * metric.sign / len(pairs)


def _final_without(
    run: MaskedRun, readers: Int[Tensor, " trial"], sources: Int[Tensor, " trial"]
) -> Float[Tensor, "trial_and_batch d_model"]:
    """The final residual with one edge cut, one trial after the other; the readers are of one sublayer, in order."""
    graph, change = run.graph, -run.differences[sources]
    following = sublayer_of(graph, int(readers[0])) + 1
    if following > 2 * graph.n_layers:
        return (run.inputs[-1] + change)[:, :, -1].flatten(0, 1)
    own = torch.cat([run.own_change(reader, change[readers == reader]) for reader in readers.unique().tolist()])
    resid = run.inputs[graph.reader_rows(following).start] + own
    return final_residual(run.net, resid.flatten(0, 1), following, repeat_past(run.scene.past, len(sources)))
