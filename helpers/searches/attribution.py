"""Edge attribution patching: estimate from gradients what cutting each edge would do.

The score of an edge is the difference between what its source writes in the clean and in the ablated run, times the
metric's gradient at the reader's input, summed over positions and averaged over pairs: a first-order estimate of how
much worse the metric gets when the edge is cut. Positive means that the edge helps, also for a metric that is a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.checks import Count, Model, Share, Steps, checked
from helpers.circuits.ablation import Ablation, NodeOutputs, PatchingRun, scenes
from helpers.circuits.circuit import Circuit
from helpers.circuits.gradients import GRADIENT, GradientRule, forward_steps, reader_gradients, step_gradients
from helpers.circuits.graph import Graph
from helpers.circuits.memory import Shape, tokens_at_once
from helpers.circuits.metrics import DirectedMetric, Metric, logit_diff
from helpers.circuits.scores import Scores
from helpers.models.network import Network
from helpers.models.run import Past, head_writes, repeat_past
from helpers.prompts.pairs import PromptPairs

Point = Literal["clean", "corrupt"]
Points = Literal["midpoint", "left", "right"]
Variant = Literal["inputs", "activations"]
Rule = Literal["gradient", "relp", "gim"]
RULES: dict[Rule, GradientRule] = {
    "gradient": GRADIENT,
    "relp": GradientRule(hold_norms=True, pattern="held", secant=True, products="gate"),
    "gim": GradientRule(hold_norms=True, pattern="warm", products="all"),
}
SHARE = 0.03  # of all edges: the size of the book's circuits
TOKENS_AT_ONCE = 2048  # of interpolated runs; more is faster and needs more memory
# Up to which source -> (the first source, what it and those that follow write), part by part
Parts = Callable[[int], Iterable[tuple[int, Float[Tensor, "some batch pos d_model"]]]]


@checked
def eap(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    at: Point = "clean",
    rule: Rule = "gradient",
    batch: Count | None = None,
    chunk: Count | None = None,
) -> Scores:
    """Edge attribution patching (arXiv 2310.10348): one gradient, at the clean run or at the ablated one.

    Args:
        rule: how the gradient is read (`RULES`). ``"relp"`` is relevance patching (arXiv 2508.21258): the scales of
            norms and attention patterns are held, so no edge into queries or keys gets a score; activations count as
            lines through 0, and a gated MLP's branches get half of their product each. ``"gim"`` (gradient interaction
            modifications, arXiv 2505.17630) holds the scales, too, gives the softmax the gradient of one at temperature
            2, and halves products: values get a half, queries and keys a quarter, a gated MLP's branches a half.
        batch: pairs at a time; by default as many as fit (`helpers.circuits.memory`).
        chunk: sources whose writes are in memory at a time; by default all. They are then computed again for every
            sublayer, which takes several times as long: a smaller batch is cheaper, as long as there is one.
    """
    share = 1.0 if at == "clean" else 0.0
    return _attribute(model, pairs, metric, ablation, (share,), batch=batch, chunk=chunk, rule=RULES[rule])


@checked
def clean_corrupted(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
) -> Scores:
    """The mean of `eap` at the clean and at the ablated run."""
    return _attribute(model, pairs, metric, ablation, (0.0, 1.0), batch=batch)


@checked
def eap_ig(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    steps: Steps = 5,
    points: Points = "midpoint",
    variant: Variant = "inputs",
    rule: Rule = "gradient",
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
    chunk: Count | None = None,
) -> Scores:
    """EAP with integrated gradients (arXiv 2403.17806): the mean gradient along the way from ablated to clean.

    Args:
        steps: gradients on the way.
        points: where on the way: the middles of ``steps`` equal parts, their left ends (the ablated end first) or
            their right ends (the clean end last).
        variant: ``"inputs"`` mixes the embeddings and runs the model from there; ``"activations"`` mixes the outputs
            of one sublayer at a time, for the edges out of it.
        rule, batch, chunk: as in `eap`; ``"activations"`` needs no chunk.
    """
    offset = {"midpoint": 0.5, "left": 0.0, "right": 1.0}[points]
    shares = tuple((k + offset) / steps for k in range(steps))
    options = dict(batch=batch, chunk=chunk, activations=variant == "activations", rule=RULES[rule])
    return _attribute(model, pairs, metric, ablation, shares, **options)


@checked
def ceap(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = logit_diff,
    *,
    steps: Steps = 5,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
) -> Scores:
    """EAP by conductance (arXiv 2606.16920): each gradient on the way times what its source changed at that point.

    As in `eap_ig`, embeddings are mixed from the ablated ones to the clean ones. There, the whole difference of a
    source's writes meets the mean gradient; here, each step's own difference meets the gradient at its beginning. So
    the scores of the edges into one reader, and of those that cross any cut through the model, add up to the change
    of the metric (exactly so in the limit of many steps).
    """
    return _attribute(model, pairs, metric, ablation, tuple(k / steps for k in range(steps)), batch=batch, local=True)


@checked
def find_circuit(model: Model, pairs: PromptPairs, share: Share = SHARE) -> Circuit:
    """The circuit that the book compares most often: `eap_ig`, then greedily this share of all edges."""
    scores = eap_ig(model, pairs)
    return scores.greedy(int(share * scores.graph.n_edges))


def _attribute(
    model,
    pairs: PromptPairs,
    metric: Metric,
    ablation: Ablation,
    shares: tuple[float, ...],
    *,
    batch: int | None,
    chunk: int | None = None,
    activations: bool = False,
    local: bool = False,
    rule: GradientRule = GRADIENT,
) -> Scores:
    graph = Graph.from_model(model)
    values = torch.zeros(graph.edges.shape, device=model.W_E.device)
    part = min(chunk or len(graph.sources), len(graph.sources)) / len(graph.sources)
    for _, scene in scenes(model, pairs, ablation, batch, copies=part, clean=True):
        clean, _ = scene.clean
        scene = replace(scene, net=rule.applied(scene.net))
        ends = scene.ablated.embed.expand_as(clean.embed), clean.embed
        if activations:
            _add_activations(values, graph, scene, clean, metric, shares, rule)
        elif local:
            _add_increments(values, graph, scene, ends, metric, shares)
        else:
            _add(values, graph, scene, _parts(scene.net, clean - scene.ablated, chunk), ends, metric, shares, rule=rule)
    values *= metric.sign / (len(pairs) * (1 if local else len(shares)))
    return Scores(graph, values.cpu().masked_fill_(~graph.edges, 0.0))


def _parts(net: Network, writes: NodeOutputs, chunk: int | None) -> Parts:
    if chunk is None:
        rows = writes.expand(net)
        return lambda stop: [(0, rows[:stop])]
    return lambda stop: ((i, writes.rows(net, i, min(i + chunk, stop))) for i in range(0, stop, chunk))


def _add(
    values: Float[Tensor, "reader source"],
    graph: Graph,
    scene: PatchingRun,
    parts: Parts,
    ends: tuple[Tensor, Tensor],
    metric: Metric,
    shares: tuple[float, ...],
    first: int = 0,
    rule: GradientRule = GRADIENT,
) -> None:
    """Add the scores of the sources whose differences ``parts`` gives; runs begin at sublayer ``first``."""
    judge = partial(scene.measure_residual, metric)
    for resid, past, times in _on_the_way(scene, ends, shares):
        for sublayer, gradients in reader_gradients(scene.net, resid, judge, past, first, rule):
            if times > 1:
                gradients = gradients.unflatten(1, (times, -1)).sum(1)
            for source, written in parts(graph.visible(sublayer)):
                _add_products(values[graph.reader_rows(sublayer), source : source + len(written)], gradients, written)


def _on_the_way(
    scene: PatchingRun, ends: tuple[Tensor, Tensor], shares: tuple[float, ...]
) -> Iterator[tuple[Tensor, Past | None, int]]:
    """Residual streams between two, some in one batch, with their pasts and their number; the last ones come first."""
    from_resid, to_resid = ends
    tokens = tokens_at_once(TOKENS_AT_ONCE, Shape.of_network(scene.net).trace)
    count = max(1, tokens // to_resid.shape[:2].numel())
    for start in reversed(range(0, len(shares), count)):
        part = torch.tensor(shares[start : start + count], dtype=to_resid.dtype, device=to_resid.device)
        resid = torch.lerp(from_resid, to_resid, part[:, None, None, None]).flatten(0, 1)
        yield resid, repeat_past(scene.past, len(part)), len(part)


def _add_products(place: Tensor, gradients: Tensor, written: Tensor) -> None:
    if written.dtype == place.dtype:
        place.addmm_(gradients.flatten(1), written.flatten(1).T)
    else:
        place += gradients.flatten(1) @ written.flatten(1).T


def _add_increments(
    values: Float[Tensor, "reader source"],
    graph: Graph,
    scene: PatchingRun,
    ends: tuple[Tensor, Tensor],
    metric: Metric,
    shares: tuple[float, ...],
) -> None:
    """Add each step's gradient times what the sources write at the next step and not yet at this one."""
    net, judge = scene.net, partial(scene.measure_residual, metric)
    later = scene.clean[0].expand(net)[:, None]
    for resid, past, times in _on_the_way(scene, ends, shares):
        with torch.no_grad():
            steps, final = forward_steps(net, resid, past)
            outs = [step.out.detach() for step in steps]
            mlps = [out @ layer.W_out for out, layer in zip(outs[1::2], net.layers, strict=True)]
            here = NodeOutputs(resid, tuple(outs[::2]), tuple(mlps)).expand(net).unflatten(1, (times, -1))
            changes, later = (torch.cat((here[:, 1:], later), 1) - here).flatten(1, 2), here[:, :1]
        for sublayer, gradients in step_gradients(net, steps, final, judge):
            stop = graph.visible(sublayer)
            _add_products(values[graph.reader_rows(sublayer), :stop], gradients, changes[:stop])


def _add_activations(
    values: Float[Tensor, "reader source"],
    graph: Graph,
    scene: PatchingRun,
    clean: NodeOutputs,
    metric: Metric,
    shares: tuple[float, ...],
    rule: GradientRule,
) -> None:
    """Mix one sublayer's outputs at a time; the residual before it stays clean."""
    net, ablated = scene.net, scene.ablated
    changed = (clean.embed - ablated.embed)[None]
    ends = ablated.embed.expand_as(clean.embed), clean.embed
    _add(values, graph, scene, lambda _: [(0, changed)], ends, metric, shares, rule=rule)
    resid = clean.embed
    for n, layer in enumerate(net.layers):
        heads = head_writes(layer, clean.heads[n]), head_writes(layer, ablated.heads[n])
        mlps = clean.mlps[n][None], ablated.mlps[n][None]
        for sublayer, (new, old), bias in ((2 * n, heads, layer.b_O), (2 * n + 1, mlps, layer.b_out)):
            ends = tuple(resid + written.sum(0) + bias for written in (old, new))
            place = [(graph.source_rows(sublayer).start, new - old)]
            _add(values, graph, scene, lambda _, place=place: place, ends, metric, shares, sublayer + 1, rule)
            resid = ends[1]
