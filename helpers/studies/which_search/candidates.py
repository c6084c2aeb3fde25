"""The searches that are judged, and their baselines: each a function from a model and pairs to scores."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from scipy.stats import rankdata
from torch import Tensor

from helpers.checks import checked
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import baselines
from helpers.circuits.graph import Graph
from helpers.circuits.memory import Shape, pairs_at_once
from helpers.circuits.metrics import logit_diff
from helpers.circuits.scores import Scores
from helpers.models.network import read_network
from helpers.models.run import forward, head_writes
from helpers.prompts.pairs import PromptPairs
from helpers.searches.acdc import acdc
from helpers.searches.attribution import ceap, clean_corrupted, eap, eap_ig
from helpers.searches.edge_pruning import edge_pruning
from helpers.searches.exact import exact_scores

Merge = Literal["mean", "min", "max"]
Search = Callable[[object, PromptPairs], Scores]
MERGED = ("GIM", "EAP-IG", "CEAP")  # what the ensemble is made of: one of each kind
MASKED = 0.03  # the share of edges that learned masks are trained for
THRESHOLDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # ACDC's, as shares of what the corruption costs


@checked
def ensemble(scores: Annotated[Sequence[Scores], Field(min_length=1)], how: Merge = "mean") -> Scores:
    """Several searches' scores as one: every edge's ranks, from 0 (worst) to 1, and their mean, least or greatest.

    Edges with one score share the mean of their ranks.

    Ranks forget the scale, on which searches don't agree, and the sign: take circuits by number (`Scores.top`).

    Raises:
        ValueError: for scores of different graphs.
    """
    graph = scores[0].graph
    if any(other.graph != graph for other in scores):
        raise ValueError("scores can be merged if all are of one graph")
    ranks = torch.zeros(len(scores), *graph.edges.shape)
    for row, own in zip(ranks, scores, strict=True):
        row[graph.edges] = torch.from_numpy(rankdata(own.values[graph.edges])).float() - 1
    ranks /= max(1, graph.n_edges - 1)
    merged = {"mean": ranks.mean(0), "min": ranks.amin(0), "max": ranks.amax(0)}[how]
    return Scores(graph, merged)


def merged(model, pairs: PromptPairs) -> Scores:
    """The mean ranks of `MERGED`."""
    return ensemble([SEARCHES[name](model, pairs) for name in MERGED])


def learned_masks(model, pairs: PromptPairs, begin: Search | None = None) -> Scores:
    """Learned masks for a few of all edges (`MASKED`); from a search's scores in a quarter of the steps."""
    n_edges = max(1, round(MASKED * Graph.from_model(model).n_edges))
    if begin is None:
        return edge_pruning(model, pairs, n_edges=n_edges)
    return edge_pruning(model, pairs, n_edges=n_edges, start=begin(model, pairs), steps=50)


def acdc_scores(model, pairs: PromptPairs) -> Scores:
    """How many of ACDC's `THRESHOLDS` an edge survives."""
    scale = baselines(model, pairs)
    costs = abs((scale.full - scale.ablated).mean().item())
    found = [acdc(model, pairs, logit_diff, tau=share * costs) for share in THRESHOLDS]
    return Scores(found[0].graph, torch.stack([circuit.mask for circuit in found]).float().sum(0))


@torch.no_grad()
def information_flow(model, pairs: PromptPairs) -> Scores:
    """Information flow routes (arXiv 2403.00824): what share of a reader's input each source's write makes up.

    It needs no corrupt run, no gradient and no metric. All readers of a sublayer read the same, so they get the same
    scores: means over positions, at the logits the share at the last one.
    """
    graph, net = Graph.from_model(model), read_network(model)
    values = torch.zeros(graph.edges.shape, device=model.W_E.device)
    batch = pairs_at_once(Shape.of_network(net), max(map(len, pairs.clean_ids)), 3)
    for _, group in pairs.groups(batch):
        written = net.embed(group.clean_tokens)[None]
        for step in forward(net, written[0]):
            values[graph.reader_rows(step.sublayer), : len(written)] += proximity(written, step.resid).mean(-1).sum(-1)
            new = step.written[None] if step.is_mlp else head_writes(step.layer, step.z)
            written = torch.cat((written, new))
        values[-1] += proximity(written[:, :, -1], step.after[:, -1]).sum(-1)
    return Scores(graph, values.cpu() / len(pairs))


def proximity(parts: Float[Tensor, "source *at d_model"], whole: Float[Tensor, "*at d_model"]) -> Tensor:
    """How much nearer to a sum each of its parts is than nothing, in the 1-norm (their equation 4); all add up to 1."""
    nearer = (whole.abs().sum(-1) - (whole - parts).abs().sum(-1)).clamp(min=0)
    return nearer / nearer.sum(0).clamp(min=1e-9)


def drawn_for(pairs: PromptPairs) -> int:
    """A seed: the same for the same pairs, another one for others."""
    return zlib.crc32(repr((pairs.clean_ids, pairs.corrupt_ids)).encode())


def at_random(model, pairs: PromptPairs) -> Scores:
    """Uniformly random scores."""
    graph, generator = Graph.from_model(model), torch.Generator().manual_seed(drawn_for(pairs))
    return Scores(graph, torch.rand(graph.edges.shape, generator=generator))


def head_permuted(model, pairs: PromptPairs, search: Search = eap_ig) -> Scores:
    """A search's scores with the heads of each layer at other places (`random_circuit`), so that each layer keeps its.

    Which edge comes to stand where is read from circuits, one for each binary digit of the edges' numbers.
    """
    scores = search(model, pairs)
    graph, seed = scores.graph, drawn_for(pairs)
    numbers = torch.arange(scores.values.numel()).view(scores.values.shape)
    origins = torch.zeros_like(numbers)
    for digit in range(numbers.numel().bit_length()):
        having = Circuit(graph, graph.edges & (numbers >> digit & 1).bool())
        origins += random_circuit(graph, seed=seed, like=having).mask.long() << digit
    return Scores(graph, scores.values.flatten()[origins])


# What costs about one EAP or one EAP-IG.
SEARCHES: Mapping[str, Search] = {
    "EAP": eap,
    "EAP, both ends": clean_corrupted,
    "RelP": partial(eap, rule="relp"),
    "GIM": partial(eap, rule="gim"),
    "EAP-IG": eap_ig,
    "RelP-IG": partial(eap_ig, rule="relp"),
    "GIM-IG": partial(eap_ig, rule="gim"),
    "CEAP": ceap,
    "ensemble": merged,
}
# What costs many of them, on a large model too many.
SLOW: Mapping[str, Search] = {
    "EAP-IG, activations": partial(eap_ig, variant="activations"),
    "ACDC": acdc_scores,
    "learned masks": learned_masks,
    "learned masks from EAP-IG": partial(learned_masks, begin=eap_ig),
    "exact": exact_scores,
}
BASELINES: Mapping[str, Search] = {"IFR": information_flow, "head-permuted": head_permuted, "random": at_random}
