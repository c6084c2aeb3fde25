"""Random circuits, the baseline of every search."""

from __future__ import annotations

import random

import torch

from helpers.graph import Circuit, Graph


def random_circuit(graph: Graph, n: int | None = None, seed: int = 0, *, like: Circuit | None = None) -> Circuit:
    """A random circuit of ``n`` edges, or one with the degrees of another circuit.

    Args:
        like: rewire this circuit: each source keeps its number of edges out and each reader its number of edges in,
            but who is connected with whom is random (edge pairs swap their sources many times).

    Raises:
        ValueError: if neither or both of ``n`` and ``like`` are given, or ``n`` is more than the graph has.
    """
    if (n is None) == (like is None):
        raise ValueError("give the number of edges, or a circuit to rewire")
    if like is not None:
        return _rewired(like, random.Random(seed))
    if not 0 <= n <= graph.n_edges:
        raise ValueError(f"the graph has {graph.n_edges} edges, not {n}")
    generator = torch.Generator().manual_seed(seed)
    places = graph.edges.flatten().nonzero().flatten()
    mask = torch.zeros(graph.edges.numel(), dtype=torch.bool)
    mask[places[torch.randperm(len(places), generator=generator)[:n]]] = True
    return Circuit(graph, mask.view_as(graph.edges))


def _rewired(circuit: Circuit, rng: random.Random, rounds: int = 20) -> Circuit:
    graph, edges = circuit.graph, [tuple(place) for place in circuit.mask.nonzero().tolist()]
    present = set(edges)
    for _ in range(rounds * len(edges) if len(edges) > 1 else 0):
        i, j = rng.sample(range(len(edges)), 2)
        (r1, s1), (r2, s2) = edges[i], edges[j]
        new = (r1, s2), (r2, s1)
        if all(graph.edges[place] for place in new) and not present & set(new):
            present -= {edges[i], edges[j]}
            present |= set(new)
            edges[i], edges[j] = new
    mask = torch.zeros_like(graph.edges)
    if edges:
        mask[tuple(torch.tensor(edges).T)] = True
    return Circuit(graph, mask)
