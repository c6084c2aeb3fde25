"""Random circuits, the baseline of every search."""

from __future__ import annotations

import random

import torch

from helpers.graph import Circuit, Graph


def random_circuit(graph: Graph, n: int | None = None, seed: int = 0, *, like: Circuit | None = None) -> Circuit:
    """A random circuit of ``n`` edges, or one with the degrees of another circuit.

    Args:
        like: a circuit of the same shape with other heads: in each layer, the heads (with grouped queries: the groups,
            and the heads within them) change places at random. So each layer keeps its degrees, and each MLP its place.
            Keeping every single node's degrees instead leaves hardly any freedom: a circuit is too dense for that.

    Raises:
        ValueError: if neither or both of ``n`` and ``like`` are given, or ``n`` is more than the graph has.
    """
    if (n is None) == (like is None):
        raise ValueError("give the number of edges, or a circuit to be like")
    if like is not None:
        return _relabelled(like, random.Random(seed))
    if not 0 <= n <= graph.n_edges:
        raise ValueError(f"the graph has {graph.n_edges} edges, not {n}")
    generator = torch.Generator().manual_seed(seed)
    places = graph.edges.flatten().nonzero().flatten()
    mask = torch.zeros(graph.edges.numel(), dtype=torch.bool)
    mask[places[torch.randperm(len(places), generator=generator)[:n]]] = True
    return Circuit(graph, mask.view_as(graph.edges))


def _relabelled(circuit: Circuit, rng: random.Random) -> Circuit:
    graph = circuit.graph
    size = graph.n_heads // graph.n_groups
    readers, sources = list(range(len(graph.readers))), list(range(len(graph.sources)))
    for layer in range(graph.n_layers):
        groups = rng.sample(range(graph.n_groups), graph.n_groups)
        heads = [g * size + h for g in groups for h in rng.sample(range(size), size)]
        row, column = graph.reader_rows(2 * layer).start, graph.source_rows(2 * layer).start
        for old, new in enumerate(heads):
            sources[column + old], readers[row + old] = column + new, row + new
        for old, new in enumerate(groups):
            for first in (row + graph.n_heads, row + graph.n_heads + graph.n_groups):
                readers[first + old] = first + new
    mask = torch.zeros_like(graph.edges)
    for reader, source in circuit.mask.nonzero().tolist():
        mask[readers[reader], sources[source]] = True
    return Circuit(graph, mask)
