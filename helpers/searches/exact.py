"""Exact scores: cut each edge alone and see what happens, the measurement that attribution estimates."""

from __future__ import annotations

import torch
from tqdm.auto import tqdm

from helpers.ablation import BATCH, Ablation, scenes
from helpers.graph import Graph
from helpers.incremental import MaskedRun
from helpers.metrics import Metric, logit_diff, sign_of
from helpers.pairs import PromptPairs
from helpers.scores import Scores

TOKENS_AT_ONCE = 8192


@torch.no_grad()
def exact_scores(
    model,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    batch: int = BATCH,
    progress: bool = False,
) -> Scores:
    """How much worse the mean metric gets when one edge is cut and all others stay.

    The edges of a reader share all that comes before it, and are run together.
    """
    graph = Graph.from_model(model)
    values = torch.zeros(graph.edges.shape, dtype=torch.float64)
    for _, scene in scenes(model, pairs, ablation, batch):
        run = MaskedRun(scene, graph, graph.edges)
        last = len(graph.readers) - 1
        whole = metric(run.net.unembed(run.inputs[last][:, -1]), scene.pairs).double().sum()
        size = max(1, TOKENS_AT_ONCE // scene.embed.shape[:2].numel())
        for reader in tqdm(range(len(graph.readers)), disable=not progress, desc="readers"):
            for sources in graph.edges[reader].nonzero().flatten().split(size):
                logits = run.trial(reader, -run.differences[sources])
                repeated = scene.pairs.select(list(range(len(scene.pairs))) * len(sources))
                cut = metric(logits.flatten(0, 1), repeated).view(len(sources), -1).double().sum(1)
                values[reader, sources] += (whole - cut).cpu()
    return Scores(graph, (values * sign_of(metric) / len(pairs)).float())
