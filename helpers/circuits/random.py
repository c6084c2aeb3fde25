"""Random circuits, the baseline of every search."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from operator import index

import torch

from helpers.checks import Amount, Seed, checked
from helpers.circuits.graph import Circuit, Graph


@checked
def random_circuit(graph: Graph, n: Amount | None = None, seed: Seed = 0, *, like: Circuit | None = None) -> Circuit:
    """A random circuit of ``n`` edges, or one with the degrees of another circuit.

    Args:
        like: a circuit of the same shape with other heads: in each layer, the heads (with grouped queries: the groups,
            and the heads within them) change places at random. So each layer keeps its degrees, and each MLP its place.
            Keeping every single node's degrees instead leaves hardly any freedom: a circuit is too dense for that.

    Raises:
        ValueError: if neither or both of ``n`` and ``like`` are given, ``n`` is more than the graph has, or ``like`` is
            of another graph.
    """
    if (n is None) == (like is None):
        raise ValueError("give the number of edges, or a circuit to be like")
    if like is not None:
        if like.graph != graph:
            raise ValueError(f"like is of {like.graph}, and graph is {graph}: give the circuit's own graph")
        return _relabelled(like, random.Random(seed))
    if n > graph.n_edges:
        raise ValueError(f"the graph has {graph.n_edges} edges, not {n}")
    generator = torch.Generator().manual_seed(seed)
    places = graph.edges.flatten().nonzero().flatten()
    mask = torch.zeros_like(graph.edges)
    mask.view(-1)[places[torch.randperm(len(places), generator=generator)[:n]]] = True
    return Circuit(graph, mask)


def _relabelled(circuit: Circuit, rng: random.Random) -> Circuit:
    graph = circuit.graph
    size, orders = graph.n_heads // graph.n_groups, []
    for _ in range(graph.n_layers):
        groups = rng.sample(range(graph.n_groups), graph.n_groups)
        orders.append([g * size + h for g in groups for h in rng.sample(range(size), size)])
    return permute_heads(circuit, orders)


@checked
def permute_heads(circuit: Circuit, orders: Sequence[Iterable]) -> Circuit:
    """The same circuit with its heads at other places of their layers.

    Args:
        orders: for each layer the new number of head 0, of head 1, ... With grouped queries, heads of one key/value
            group have to stay together.

    Raises:
        ValueError: if the orders aren't permutations of the heads, or tear a group apart.
    """
    graph = circuit.graph
    size = graph.n_heads // graph.n_groups
    orders = _whole(orders, graph, size)
    readers, sources = list(range(len(graph.readers))), list(range(len(graph.sources)))
    for layer, heads in enumerate(orders):
        row, column = graph.reader_rows(2 * layer).start, graph.source_rows(2 * layer).start
        for old, new in enumerate(heads):
            sources[column + old], readers[row + old] = column + new, row + new
        for old in range(graph.n_groups):
            for first in (row + graph.n_heads, row + graph.n_heads + graph.n_groups):
                readers[first + old] = first + heads[old * size] // size
    mask = torch.zeros_like(graph.edges)
    mask[torch.tensor(readers)[:, None], torch.tensor(sources)] = circuit.mask
    return Circuit(graph, mask)


def _whole(given: Sequence[Iterable], graph: Graph, size: int) -> list[list[int]]:
    try:
        orders = [[index(head) for head in order] for order in given]
    except TypeError:  # something else than whole numbers
        orders = []
    if len(orders) != graph.n_layers or any(sorted(o) != list(range(graph.n_heads)) for o in orders):
        raise ValueError(f"there must be {graph.n_layers} orders, each with the heads 0 to {graph.n_heads - 1} once")
    for order in orders:
        if any(order[h] // size != order[h - h % size] // size for h in range(graph.n_heads)):
            raise ValueError(f"{order} tears the heads of a key/value group apart")
    return orders
