"""How heads feed each other: through their weights, and by cutting the edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.ablation import Ablation, run_circuit
from helpers.evaluation import Estimate, bootstrap
from helpers.graph import Circuit, Graph
from helpers.metrics import Metric, logit_diff, sign_of
from helpers.network import Layer, Norm, read_network
from helpers.pairs import PromptPairs

Letter = Literal["q", "k", "v"]


@torch.no_grad()
def composition(model, letter: str = "k") -> pd.DataFrame:
    """How much of what a head writes a later head can read, from their weights alone (Elhage et al. 2021).

    For K-composition the score is ``|W_V W_O W_K W_Q^T| / (|W_V W_O| |W_K W_Q^T|)`` with Frobenius norms, where the
    left factor belongs to the head that writes and the right one to the head that reads; 1 is the most possible.
    Q-composition has ``W_Q W_K^T`` instead, V-composition ``W_V W_O`` of the reader. The reader's norm is folded in:
    its weight, and its centring where it centres.

    Returns:
        Columns ``source, source_layer, reader, reader_layer, score`` for all pairs of heads of different layers, and
        ``times_chance``: the score in multiples of the mean over all pairs of heads of these two layers.

    Raises:
        ValueError: for an unknown letter.
    """
    if letter not in get_args(Letter):
        raise ValueError(f"unknown letter {letter!r}; choose from {', '.join(get_args(Letter))}")
    layers, rows = read_network(model).layers, []
    for late, reader in enumerate(layers):
        read = _reads(reader, letter)
        for early, source in enumerate(layers[:late]):
            write = _grouped(source.W_V, len(source.W_O)) @ source.W_O
            both = torch.einsum("sij,rjk->srik", write, read).norm(dim=(-2, -1))
            score = both / (write.norm(dim=(-2, -1))[:, None] * read.norm(dim=(-2, -1)))
            for s, row in enumerate(score.tolist()):
                rows += [(f"a{early}.h{s}", early, f"a{late}.h{r}", late, value) for r, value in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["source", "source_layer", "reader", "reader_layer", "score"])
    frame["times_chance"] = frame.score / frame.groupby(["source_layer", "reader_layer"]).score.transform("mean")
    return frame


def _reads(layer: Layer, letter: Letter) -> Float[Tensor, "head d_model d_model"]:
    """What a reader makes of the residual stream, as one matrix for each head."""
    heads = len(layer.W_Q)
    key, value = _grouped(layer.W_K, heads), _grouped(layer.W_V, heads)
    pairs = {"q": (layer.W_Q, key.mT), "k": (key, layer.W_Q.mT), "v": (value, layer.W_O)}
    first, second = pairs[letter]
    return _through(layer.norm1, first) @ (second if letter == "v" else _through(layer.norm1, second.mT).mT)


def _through(norm: Norm, weights: Float[Tensor, "head d_model d_head"]) -> Float[Tensor, "head d_model d_head"]:
    weights = norm.weight[:, None] * weights
    return weights - weights.mean(1, keepdim=True) if norm.centred else weights


def _grouped(weights: Tensor, heads: int) -> Float[Tensor, "head d_model d_head"]:
    return weights.repeat_interleave(heads // len(weights), dim=0)


def edges_between(graph: Graph, sources: Iterable[str], readers: Iterable[str], letters: str = "qkv") -> list[str]:
    """The names of all edges from some sources into the queries, keys or values of some heads.

    Pairs without an edge, because the reader comes first, are left out. With grouped queries, a head's keys and values
    are those of its group.

    Raises:
        ValueError: for a source or a head that the graph doesn't have.
    """
    names, sources = [], tuple(sources)
    for reader in readers:
        if reader not in graph.sources or not reader.startswith("a"):
            raise ValueError(f"{reader!r} is no head of {graph}")
        for letter in letters:
            row = graph.reader_of(reader, letter)
            names += [f"{source}->{row}" for source in sources if _is_edge(graph, source, row)]
    return list(dict.fromkeys(names))


def edges_from(graph: Graph, sources: Iterable[str]) -> list[str]:
    """The names of all edges out of some sources.

    Raises:
        ValueError: for a source that the graph doesn't have.
    """
    return [f"{s}->{reader}" for s in sources for reader in graph.readers if _is_edge(graph, s, reader)]


def _is_edge(graph: Graph, source: str, reader: str) -> bool:
    if source not in graph.sources:
        raise ValueError(f"{source!r} is no source of {graph}")
    return bool(graph.edges[graph.readers.index(reader), graph.sources.index(source)])


def logits_without(
    model, pairs: PromptPairs, edges: Sequence[str], *, ablation: Ablation = "corrupt"
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when only these edges are cut; all others carry what they always carry."""
    graph = Graph.from_model(model)
    return run_circuit(model, ~Circuit.from_edges(graph, edges), pairs, ablation)


def cut_effect(
    model, pairs: PromptPairs, edges: Sequence[str], metric: Metric = logit_diff, *, ablation: Ablation = "corrupt"
) -> Estimate:
    """How much worse a metric gets when only these edges are cut, with its interval over the pairs.

    Positive if the edges help, whatever the metric's sign; in the metric's unit.
    """
    before = metric(pairs.reference, pairs).float()
    after = metric(logits_without(model, pairs, edges, ablation=ablation), pairs).float()
    return bootstrap(lambda fall: fall.mean(-1), sign_of(metric) * (before - after))
