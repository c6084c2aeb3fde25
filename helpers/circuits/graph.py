"""The graph of a transformer: who writes to the residual stream, who reads from it, and circuits as sets of edges.

Sources stand in the order in which they write, readers in the order in which they read; so the sources that a reader
can see are the first ones, and a circuit is a boolean matrix ``[reader, source]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor


def head_place(name: str) -> tuple[int, int]:
    """Layer and number of a head: ``(2, 5)`` for ``"a2.h5"``.

    Raises:
        ValueError: for another name.
    """
    place = re.fullmatch(r"a(\d+)\.h(\d+)", name)
    if place is None:
        raise ValueError(f"{name!r} is no head; heads are called like 'a2.h5'")
    return int(place[1]), int(place[2])


@dataclass(frozen=True)
class Graph:
    """All edges of a transformer of a given shape; ``n_groups`` counts key/value heads of a layer."""

    n_layers: int
    n_heads: int
    n_groups: int

    @staticmethod
    def from_model(model) -> Graph:
        """The graph of a TransformerLens bridge."""
        cfg = model.cfg
        return Graph(cfg.n_layers, cfg.n_heads, getattr(cfg, "n_key_value_heads", None) or cfg.n_heads)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of everything that writes, in order."""
        layers = [[*(f"a{n}.h{h}" for h in range(self.n_heads)), f"m{n}"] for n in range(self.n_layers)]
        return ("embed", *(name for layer in layers for name in layer))

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The names of all attention heads, in order."""
        return tuple(name for name in self.sources if ".h" in name)

    @cached_property
    def readers(self) -> tuple[str, ...]:
        """The names of everything that reads, in order: per layer q, k, v of all heads, then the MLP; logits last."""
        group = "h" if self.n_groups == self.n_heads else "kv"
        names = []
        for n in range(self.n_layers):
            names += [f"a{n}.h{h}<q>" for h in range(self.n_heads)]
            names += [f"a{n}.{group}{g}<{letter}>" for letter in "kv" for g in range(self.n_groups)]
            names.append(f"m{n}")
        return (*names, "logits")

    def reader_of(self, head: str, letter: str) -> str:
        """Where a head reads its queries, keys or values: ``"a2.h5<k>"``, or ``"a2.kv2<k>"`` if groups share them."""
        layer, number = head_place(head)
        if letter == "q" or self.n_groups == self.n_heads:
            return f"{head}<{letter}>"
        return f"a{layer}.kv{number * self.n_groups // self.n_heads}<{letter}>"

    @property
    def attention_readers(self) -> int:
        """How many readers a layer's attention has."""
        return self.n_heads + 2 * self.n_groups

    def reader_rows(self, sublayer: int) -> slice:
        """The readers of a sublayer: 0 is the first layer's attention, 1 its MLP, ...; 2 * n_layers is the logits."""
        start = sublayer // 2 * (self.attention_readers + 1)
        if sublayer == 2 * self.n_layers:
            return slice(start, start + 1)
        attention = slice(start, start + self.attention_readers)
        return slice(attention.stop, attention.stop + 1) if sublayer % 2 else attention

    def source_rows(self, sublayer: int) -> slice:
        """The sources that a sublayer writes; -1 is the embedding."""
        if sublayer < 0:
            return slice(0, 1)
        start = 1 + sublayer // 2 * (self.n_heads + 1)
        heads = slice(start, start + self.n_heads)
        return slice(heads.stop, heads.stop + 1) if sublayer % 2 else heads

    def visible(self, sublayer: int) -> int:
        """How many sources a sublayer's readers see."""
        return self.source_rows(sublayer - 1).stop

    @cached_property
    def edges(self) -> Bool[Tensor, "reader source"]:
        """Which (reader, source) are edges."""
        mask = torch.zeros(len(self.readers), len(self.sources), dtype=torch.bool)
        for sublayer in range(2 * self.n_layers + 1):
            mask[self.reader_rows(sublayer), : self.visible(sublayer)] = True
        return mask

    @property
    def n_edges(self) -> int:
        """The number of edges."""
        return int(self.edges.sum())

    @cached_property
    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        return tuple({name: i for i, name in enumerate(names)} for names in (self.readers, self.sources))

    def place(self, edge: str) -> tuple[int, int]:
        """The (reader, source) indices of an edge by its name, such as ``"m0->a2.h5<v>"``.

        Raises:
            ValueError: if there is no such edge; the message says which part is wrong.
        """
        source, _, reader = edge.partition("->")
        readers, sources = self._places
        if source not in sources:
            raise ValueError(f"{edge!r}: {source!r} is no source; sources are {self._some(self.sources)}")
        if reader not in readers:
            raise ValueError(f"{edge!r}: {reader!r} is no reader; readers are {self._some(self.readers)}")
        place = readers[reader], sources[source]
        if not self.edges[place]:
            raise ValueError(f"{edge!r}: {source} writes only after {reader} has read")
        return place

    def name(self, reader: int, source: int) -> str:
        """The name of an edge by its (reader, source) indices."""
        return f"{self.sources[source]}->{self.readers[reader]}"

    def source_of(self, reader: int) -> slice:
        """The sources whose output a reader feeds: one, or all heads of a key/value group; none for the logits."""
        layer, within = divmod(reader, self.attention_readers + 1)
        heads, size = self.source_rows(2 * layer), self.n_heads // self.n_groups
        if layer == self.n_layers:
            return slice(0, 0)
        if self.n_heads <= within < self.attention_readers:  # keys and values of a group
            first = heads.start + (within - self.n_heads) % self.n_groups * size
            return slice(first, first + size)
        first = heads.stop if within == self.attention_readers else heads.start + within
        return slice(first, first + 1)

    @cached_property
    def feeds(self) -> Bool[Tensor, "reader source"]:
        """Which sources write what a reader has read (`source_of`)."""
        places, fed = torch.arange(len(self.sources)), map(self.source_of, range(len(self.readers)))
        return torch.stack([(rows.start <= places) & (places < rows.stop) for rows in fed])

    @staticmethod
    def _some(names: tuple[str, ...]) -> str:
        return ", ".join((*names[:3], "...", *names[-2:]))


@dataclass(frozen=True, eq=False)
class Circuit:
    """A set of edges of a graph."""

    graph: Graph
    mask: Bool[Tensor, "reader source"]

    def __post_init__(self) -> None:
        if self.mask.shape != (shape := self.graph.edges.shape) or self.mask.dtype != torch.bool:
            raise ValueError(f"a circuit's mask is boolean {tuple(shape)}, not {tuple(self.mask.shape)}")
        if (self.mask & ~self.graph.edges).any():
            raise ValueError("the mask holds a (reader, source) that is no edge")

    @staticmethod
    def full(graph: Graph) -> Circuit:
        """All edges."""
        return Circuit(graph, graph.edges.clone())

    @staticmethod
    def empty(graph: Graph) -> Circuit:
        """No edge."""
        return Circuit(graph, torch.zeros_like(graph.edges))

    @staticmethod
    def from_edges(graph: Graph, names: Iterable[str]) -> Circuit:
        """The edges with the given names.

        Raises:
            ValueError: for a name that is no edge of the graph.
        """
        mask = torch.zeros_like(graph.edges)
        for name in names:
            mask[graph.place(name)] = True
        return Circuit(graph, mask)

    @property
    def edges(self) -> tuple[str, ...]:
        """The names of its edges, in the graph's order."""
        return tuple(self.graph.name(r, s) for r, s in self.mask.nonzero().tolist())

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

    def save(self, path: str | Path) -> None:
        """Write the circuit to a JSON file."""
        raw = {"graph": asdict(self.graph), "edges": self.edges}
        Path(path).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> Circuit:
        """Read a circuit that `save` wrote.

        Raises:
            ValueError: if the file isn't a circuit; the message names the file.
        """
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            return Circuit.from_edges(Graph(**raw["graph"]), raw["edges"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} isn't a circuit that Circuit.save wrote: {error}") from error


def heads_of(circuit: Circuit) -> tuple[str, ...]:
    """The heads that a circuit uses, in order."""
    return tuple(name for name in circuit.nodes if "." in name)
