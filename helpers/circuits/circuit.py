"""Circuits: sets of edges of a graph, and their files. A circuit is a boolean matrix ``[reader, source]``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import index
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from helpers.checks import Amount, Seed, checked
from helpers.circuits.graph import Graph
from helpers.files import read_json, write_whole

SAVED = "a circuit that Circuit.save wrote"


def values_of(graph: Graph, values: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A value for each (reader, source) of a graph, as a copy on the processor; floating-point without a ``dtype``.

    Raises:
        ValueError: for something of another kind, type or shape.
    """
    if not isinstance(graph, Graph):
        raise ValueError(f"graph has to be a Graph, not {graph!r}")
    shape, kind = tuple(graph.edges.shape), "boolean" if dtype else "floating-point"
    if (
        not isinstance(values, Tensor)
        or values.shape != shape
        or values.is_meta
        or (values.dtype != dtype if dtype else not values.is_floating_point())
    ):
        given = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{graph} needs a {kind} tensor {shape}, [reader, source], not {given}")
    return values.detach().to("cpu", copy=True)


@dataclass(frozen=True, eq=False)
class Circuit:
    """A set of edges of a graph."""

    graph: Graph
    mask: Bool[Tensor, "reader source"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", values_of(self.graph, self.mask, torch.bool))  # its own: no one changes it
        if (self.mask > self.graph.edges).any():
            raise ValueError("the mask holds a (reader, source) that is no edge")

    @staticmethod
    @checked
    def full(graph: Graph) -> Circuit:
        """All edges."""
        return Circuit(graph, graph.edges)

    @staticmethod
    @checked
    def empty(graph: Graph) -> Circuit:
        """No edge."""
        return Circuit(graph, torch.zeros_like(graph.edges))

    @staticmethod
    def from_edges(graph: Graph, names: Iterable[str]) -> Circuit:
        """The edges with the given names.

        Raises:
            ValueError: for a name that is no edge of the graph.
        """
        if not isinstance(graph, Graph):
            raise ValueError(f"graph has to be a Graph, not {graph!r}")
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ValueError(f"names has to be a list of edges such as ['m0->a2.h5<v>'], not {names!r}")
        mask = torch.zeros_like(graph.edges)
        for name in names:
            mask[graph.place(name)] = True
        return Circuit(graph, mask)

    @property
    def edges(self) -> tuple[str, ...]:
        """The names of its edges, in the graph's order."""
        return tuple(self.graph._name(r, s) for r, s in self.mask.nonzero().tolist())

    @property
    def n_edges(self) -> int:
        """The number of its edges."""
        return int(self.mask.sum())

    @property
    def nodes(self) -> tuple[str, ...]:
        """The sources that it uses: those with an edge out or in, in order; without the logits."""
        feeds = self.graph.feeds
        only = feeds & (feeds.sum(1, keepdim=True) == 1)  # a key/value group's input is no single head's
        used = self.mask.any(0) | (only & self.mask.any(1, keepdim=True)).any(0)
        return tuple(name for name, flag in zip(self.graph.sources, used.tolist(), strict=True) if flag)

    def __len__(self) -> int:
        return self.n_edges

    def __repr__(self) -> str:
        return f"Circuit({self.n_edges:,} of {self.graph.n_edges:,} edges)"

    def __iter__(self) -> Iterator[str]:
        return iter(self.edges)

    def __contains__(self, edge: str) -> bool:
        return bool(self.mask[self.graph.place(edge)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuit) and self.graph == other.graph and torch.equal(self.mask, other.mask)

    def __or__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.mask | self._mask_of(other))

    def __and__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.mask & self._mask_of(other))

    def __sub__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.mask & ~self._mask_of(other))

    def __xor__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.mask ^ self._mask_of(other))

    def __invert__(self) -> Circuit:
        return Circuit(self.graph, self.graph.edges & ~self.mask)

    def __le__(self, other: Circuit) -> bool:
        return not (self.mask & ~self._mask_of(other)).any()

    def jaccard(self, other: Circuit) -> float:
        """Shared edges over all edges of both; 1 for two empty circuits."""
        union = (self | other).n_edges
        return (self & other).n_edges / union if union else 1.0

    def _mask_of(self, other: Circuit) -> Bool[Tensor, "reader source"]:
        if not isinstance(other, Circuit):
            raise ValueError(f"a circuit can be combined with a circuit, not with {other!r}")
        if self.graph != other.graph:
            raise ValueError(f"circuits of different graphs can't be combined: {self.graph} and {other.graph}")
        return other.mask

    def pruned(self, *, both_ways: bool = True) -> Circuit:
        """Without the edges that no path connects both to the embedding and to the logits.

        With corrupted ablation, dropping them changes nothing: a node that no path reaches gives its corrupt output
        anyway. With zero or mean ablation it may: such a node computes something from its biases, or from means. Not
        ``both_ways``, only edges without a path to the logits are dropped; that never changes anything.
        """
        mask, feeds = self.mask.clone(), self.graph.feeds
        sublayers = [self.graph.reader_rows(n) for n in range(2 * self.graph.n_layers + 1)]
        if both_ways:
            reached = torch.zeros(mask.shape[1], dtype=torch.bool)
            reached[0] = True
            for rows in sublayers:  # forward: an edge counts if its source is reached
                mask[rows] &= reached
                reached |= (feeds[rows] & mask[rows].any(1, keepdim=True)).any(0)
        useful = mask[-1].clone()
        for rows in reversed(sublayers[:-1]):  # backward: a reader counts if what it feeds is useful
            mask[rows] &= (feeds[rows] & useful).any(1, keepdim=True)
            useful |= mask[rows].any(0)
        return Circuit(self.graph, mask)

    @checked
    def save(self, path: str | Path) -> None:
        """Write the circuit to a JSON file.

        Raises:
            OSError: if the file can't be written; what stood there stays.
        """
        write_whole(path, json.dumps({"graph": asdict(self.graph), "edges": self.edges}, indent=1) + "\n")

    @staticmethod
    @checked
    def load(path: str | Path) -> Circuit:
        """Read a circuit that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file isn't a circuit. Both messages name the file.
        """
        path, raw = read_json(path, SAVED, dict)
        if "cfg" in raw or isinstance(raw.get("edges"), dict):
            raise ValueError(
                f"{path} isn't {SAVED}, but a graph of EAP-IG or MIB; read it with helpers.circuits.scores.read_mib"
            )
        try:
            circuit = Circuit.from_edges(Graph(**raw.get("graph", {})), raw.get("edges"))
            if len(raw["edges"]) != circuit.n_edges:
                raise ValueError("it names an edge twice")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} isn't {SAVED}: {error}") from error
        return circuit


@checked
def heads_of(circuit: Circuit) -> tuple[str, ...]:
    """The heads that a circuit uses, in order."""
    return tuple(name for name in circuit.nodes if "." in name)


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
