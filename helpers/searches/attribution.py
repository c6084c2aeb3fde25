"""Edge attribution patching: estimate from gradients what cutting each edge would do.

The score of an edge is the difference between what its source writes in the clean and in the ablated run, times the
metric's gradient at the reader's input, summed over positions and averaged over pairs: a first-order estimate of how
much worse the metric gets when the edge is cut. Positive means that the edge helps, also for a metric that is a loss.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.ablation import BATCH, Ablation, Scene, Writes, head_writes, repeat_past, scenes
from helpers.gradients import reader_gradients
from helpers.graph import Graph
from helpers.metrics import Metric, logit_diff, sign_of
from helpers.pairs import PromptPairs
from helpers.scores import Scores

Point = Literal["clean", "corrupt"]
Points = Literal["midpoint", "left", "right"]
Variant = Literal["inputs", "activations"]
TOKENS_AT_ONCE = 2048  # of interpolated runs; more is faster and needs more memory


def eap(
    model,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    at: Point = "clean",
    batch: int = BATCH,
) -> Scores:
    """Edge attribution patching (arXiv 2310.10348): one gradient, at the clean run or at the ablated one.

    Raises:
        ValueError: for an unknown point or ablation.
    """
    _check(at, Point)
    share = 1.0 if at == "clean" else 0.0
    return _attribute(model, pairs, metric, ablation, batch, (share,))


def clean_corrupted(
    model, pairs: PromptPairs, metric: Metric = logit_diff, *, ablation: Ablation = "corrupt", batch: int = BATCH
) -> Scores:
    """The mean of `eap` at the clean and at the ablated run."""
    return _attribute(model, pairs, metric, ablation, batch, (0.0, 1.0))


def eap_ig(
    model,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    steps: int = 5,
    points: Points = "midpoint",
    variant: Variant = "inputs",
    ablation: Ablation = "corrupt",
    batch: int = BATCH,
) -> Scores:
    """EAP with integrated gradients (arXiv 2403.17806): the mean gradient along the way from ablated to clean.

    Args:
        steps: gradients on the way.
        points: where on the way: the middles of ``steps`` equal parts, their left ends (the ablated end first) or
            their right ends (the clean end last).
        variant: ``"inputs"`` mixes the embeddings and runs the model from there; ``"activations"`` mixes the outputs
            of one sublayer at a time, for the edges out of it.

    Raises:
        ValueError: for unknown points, variants or ablations, or no steps.
    """
    _check(points, Points)
    _check(variant, Variant)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    offset = {"midpoint": 0.5, "left": 0.0, "right": 1.0}[points]
    shares = tuple((k + offset) / steps for k in range(steps))
    return _attribute(model, pairs, metric, ablation, batch, shares, activations=variant == "activations")


def _check(value: str, choices: object) -> None:
    if value not in get_args(choices):
        raise ValueError(f"unknown choice {value!r}; choose from {', '.join(get_args(choices))}")


def _attribute(
    model,
    pairs: PromptPairs,
    metric: Metric,
    ablation: Ablation,
    batch: int,
    shares: tuple[float, ...],
    activations: bool = False,
) -> Scores:
    graph = Graph.from_model(model)
    values = torch.zeros(graph.edges.shape, device=pairs.reference.device)
    for _, scene in scenes(model, pairs, ablation, batch):
        clean, _ = scene.clean()
        if activations:
            _add_activations(values, graph, scene, clean, metric, shares)
        else:
            differences = (clean - scene.ablated).expand(scene.net)
            ends = scene.ablated.embed.expand_as(clean.embed), clean.embed
            _add(values, graph, scene, differences, ends, metric, shares)
    values *= sign_of(metric) / (len(pairs) * len(shares))
    return Scores(graph, values.cpu().masked_fill_(~graph.edges, 0.0))


def _add(
    values: Float[Tensor, "reader source"],
    graph: Graph,
    scene: Scene,
    differences: Float[Tensor, "_ batch pos d_model"],
    ends: tuple[Tensor, Tensor],
    metric: Metric,
    shares: tuple[float, ...],
    first: int = 0,
) -> None:
    """Add the scores of the sources in ``differences`` (the last ones that sublayer ``first`` sees, or more)."""
    net, (from_resid, to_resid) = scene.net, ends
    count = max(1, TOKENS_AT_ONCE // to_resid.shape[:2].numel())
    flat = differences.flatten(1)
    offset = graph.visible(first) - len(flat) if first else 0
    for start in range(0, len(shares), count):
        part = torch.tensor(shares[start : start + count], device=to_resid.device)
        resid = torch.lerp(from_resid, to_resid, part[:, None, None, None]).flatten(0, 1)
        repeated = scene.pairs if len(part) == 1 else scene.pairs.select(list(range(len(scene.pairs))) * len(part))
        past = repeat_past(scene.past, len(part))

        def value(logits: Tensor, repeated: PromptPairs = repeated) -> Tensor:
            return metric(logits, repeated)

        for sublayer, gradients in reader_gradients(net, resid, value, past, first):
            if len(part) > 1:
                gradients = gradients.unflatten(1, (len(part), -1)).sum(1)
            seen = flat[: graph.visible(sublayer) - offset]
            rows = graph.reader_rows(sublayer)
            values[rows, offset : offset + len(seen)].addmm_(gradients.flatten(1), seen.T)


def _add_activations(
    values: Float[Tensor, "reader source"],
    graph: Graph,
    scene: Scene,
    clean: Writes,
    metric: Metric,
    shares: tuple[float, ...],
) -> None:
    """Mix one sublayer's outputs at a time; the residual before it stays clean."""
    net, ablated = scene.net, scene.ablated
    _add(values, graph, scene, (clean.embed - ablated.embed)[None], (ablated.embed, clean.embed), metric, shares)
    resid = clean.embed
    for n, layer in enumerate(net.layers):
        heads = head_writes(layer, clean.heads[n]), head_writes(layer, ablated.heads[n])
        mlps = clean.mlps[n][None], ablated.mlps[n][None]
        for sublayer, (new, old), bias in ((2 * n, heads, layer.b_O), (2 * n + 1, mlps, layer.b_out)):
            ends = tuple(resid + written.sum(0) + bias for written in (old, new))
            _add(values, graph, scene, new - old, ends, metric, shares, sublayer + 1)
            resid = ends[1]
