"""Edge pruning: learn a mask over all edges at once by gradient descent."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checks import Amount, Count, Model, Positive, checked
from helpers.circuits.ablation import Ablation, PatchingRun, scenes, split_qkv
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import DirectedMetric, kl
from helpers.circuits.scores import Scores
from helpers.models.run import head_writes
from helpers.prompts.pairs import PromptPairs

# The hard-concrete distribution (arXiv 1712.01312, equations 10-12): a sigmoid stretched to (LOW, HIGH) and clipped.
LOW, HIGH, TEMPERATURE = -0.1, 1.1, 2 / 3
FIRST = 2.0  # the gates' log-odds at first: all of them, or their mean
COPIES = 8.0  # tensors of one row for each source that are in memory: the gradient keeps what every reader reads


@checked
def edge_pruning(
    model: Model,
    pairs: PromptPairs,
    metric: DirectedMetric = kl,
    *,
    n_edges: Count,
    start: Scores | None = None,
    steps: Count = 200,
    lr: Positive = 0.1,
    ablation: Ablation = "corrupt",
    seed: Amount = 0,
    batch: Count | None = None,
    progress: bool = False,
) -> Scores:
    """Learned edge masks (arXiv 2406.16778): hard-concrete gates, trained to a target size under the metric.

    The loss is the metric (or minus it, where more is better), plus a Lagrangian whose multipliers rise while the
    expected share of open gates differs from its target; the target falls from all edges to ``n_edges`` in the first
    half of the steps.

    Args:
        n_edges: how many edges the expected size falls to.
        start: another search's scores, in whose order the gates are more or less open at first; otherwise all alike.

    Returns:
        The gates' log-odds of being open; ``.top(n_edges)`` is the circuit.

    Raises:
        ValueError: if the graph has fewer than ``n_edges`` edges, or ``start`` is of another graph.
    """
    graph = Graph.from_model(model)
    if n_edges > graph.n_edges:
        raise ValueError(f"n_edges must be between 1 and {graph.n_edges}, not {n_edges}")
    if start is not None and start.graph != graph:
        raise ValueError(f"start is of {start.graph}, the model has {graph}; take scores of this model")
    places = graph.edges.nonzero(as_tuple=True)
    generator = torch.Generator().manual_seed(seed)
    log_alpha = torch.full((graph.n_edges,), FIRST)
    if start is not None:
        log_alpha += ((start.values.cpu()[places].argsort().argsort() + 0.5) / graph.n_edges).logit()
    log_alpha.requires_grad_()
    multipliers = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam(
        [{"params": log_alpha, "lr": lr}, {"params": multipliers, "lr": lr, "maximize": True}], betas=(0.9, 0.95)
    )
    prepared = [scene for _, scene in scenes(model, pairs, ablation, batch, copies=COPIES)]
    for step in tqdm(range(steps), disable=not progress, desc="steps"):
        noise = torch.rand(graph.n_edges, generator=generator).clamp(1e-6, 1 - 1e-6)
        gates = torch.sigmoid((noise.logit() + log_alpha) / TEMPERATURE) * (HIGH - LOW) + LOW
        mask = torch.zeros(graph.edges.shape).index_put(places, gates.clamp(0, 1))
        leaf = mask.detach().requires_grad_()
        for scene in reversed(prepared):  # one backward pass each, so that memory holds one scene's
            loss = scene.measure(metric, masked_logits(scene, graph, leaf)).sum()
            (-metric.sign * loss / len(pairs)).backward()
        open_share = torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOW / HIGH)).mean()
        target = 1 + min(1.0, 2 * step / steps) * (n_edges / graph.n_edges - 1)
        gap = open_share - target
        price = multipliers[0] * gap + multipliers[1] * gap**2
        torch.autograd.backward((mask, price), (leaf.grad, None))
        optimizer.step()
        optimizer.zero_grad()
    values = torch.zeros(graph.edges.shape).index_put(places, log_alpha.detach())
    return Scores(graph, values)


def masked_logits(
    scene: PatchingRun, graph: Graph, mask: Bool[Tensor, "reader source"] | Float[Tensor, "reader source"]
) -> Float[Tensor, "batch d_vocab"]:
    """Logits at the last position of a run in which each edge carries ``mask`` of the clean run and the rest ablated.

    A mask between 0 and 1 mixes the two; gradients flow through it.
    """
    net, ablated = scene.net, scene.ablated.expand(scene.net)
    cut = (1 - mask.float()).to(ablated)
    resid, written = scene.embed, []  # ``written``: how sources differ from their ablated output, [(rows, difference)]
    written.append((graph.source_rows(-1), (resid - ablated[:1])))
    for n, layer in enumerate(net.layers):
        x = layer.norm1(_inputs(resid, cut[graph.reader_rows(2 * n)], written))
        q, k, v = split_qkv(layer, x)
        z = net.attend(q, k, v, None if scene.past is None else scene.past[n])
        heads = head_writes(layer, z)
        rows = graph.source_rows(2 * n)
        written.append((rows, heads - ablated[rows]))
        resid = resid + heads.sum(0) + layer.b_O
        x = layer.norm2(_inputs(resid, cut[graph.reader_rows(2 * n + 1)], written)[0])
        mlp = layer.neurons(x) @ layer.W_out
        rows = graph.source_rows(2 * n + 1)
        written.append((rows, (mlp - ablated[rows])))
        resid = resid + mlp + layer.b_out
    last = [(rows, difference[:, :, -1:]) for rows, difference in written]
    return net.unembed(_inputs(resid[:, -1:], cut[-1:], last)[0, :, 0])


def _inputs(
    resid: Float[Tensor, "batch pos d_model"],
    cut: Float[Tensor, "reader source"],
    written: list[tuple[slice, Float[Tensor, "_ batch pos d_model"]]],
) -> Float[Tensor, "reader batch pos d_model"]:
    """Each reader's own input: the residual minus what its cut edges carry too much."""
    result = resid.expand(len(cut), *resid.shape)
    for rows, difference in written:
        part = cut[:, rows]
        if part.requires_grad or part.any():
            result = result - torch.einsum("rs,sbpd->rbpd", part, difference)
    return result
