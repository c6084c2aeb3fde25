"""The graph of a transformer: who writes to the residual stream, and who reads from it.

Sources stand in the order in which they write, readers in the order in which they read; so the sources that a reader
can see are the first ones.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from helpers.checks import Count, Model, checked

LARGEST = 2**27  # (reader, source) places of a graph; Llama with 70 billion weights has a quarter of them


def head_place(name: str) -> tuple[int, int]:
    """Layer and number of a head: ``(2, 5)`` for ``"a2.h5"``.

    Raises:
        ValueError: for another name.
    """
    place = isinstance(name, str) and re.fullmatch(r"a(0|[1-9][0-9]{0,8})\.h(0|[1-9][0-9]{0,8})", name)
    if not place:
        raise ValueError(f"{name!r} is no head; heads are called like 'a2.h5'")
    return int(place[1]), int(place[2])


@checked
@dataclass(frozen=True)
class Graph:
    """All edges of a transformer of a given shape; ``n_groups`` counts key/value heads of a layer."""

    n_layers: Count
    n_heads: Count
    n_groups: Count

    def __post_init__(self) -> None:
        if self.n_heads % self.n_groups:
            raise ValueError(f"{self.n_heads} heads can't be shared out evenly to {self.n_groups} groups")
        if self.n_layers**2 * (self.attention_readers + 1) * (self.n_heads + 1) > LARGEST:
            raise ValueError(f"so many layers and heads have too many edges; at most {LARGEST:,} places for them")

    @staticmethod
    @checked
    def from_model(model: Model) -> Graph:
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

    @checked
    def reader_of(self, head: str, letter: Literal["q", "k", "v"]) -> str:
        """Where a head reads its queries, keys or values: ``"a2.h5<k>"``, or ``"a2.kv2<k>"`` if groups share them."""
        layer, number = head_place(head)
        if layer >= self.n_layers or number >= self.n_heads:
            raise ValueError(f"{head!r} is no head of {self}")
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
        if not isinstance(edge, str):
            raise ValueError(f"{edge!r} is no name of an edge; edges are called like 'm0->a2.h5<v>'")
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
        """The name of an edge by its (reader, source) indices.

        Raises:
            ValueError: if there is no such edge.
        """
        reader, source = self._row(reader, self.readers, "reader"), self._row(source, self.sources, "source")
        if not self.edges[reader, source]:
            raise ValueError(f"{self.sources[source]} writes only after {self.readers[reader]} has read")
        return self._name(reader, source)

    def _name(self, reader: int, source: int) -> str:
        return f"{self.sources[source]}->{self.readers[reader]}"

    @staticmethod
    def _row(number: int, names: tuple[str, ...], kind: str) -> int:
        if isinstance(number, bool) or not hasattr(number, "__index__") or not 0 <= number < len(names):
            raise ValueError(f"there is no {kind} {number!r}: they have the numbers 0 to {len(names) - 1}")
        return operator.index(number)

    def source_of(self, reader: int) -> slice:
        """The sources whose output a reader feeds: one, or all heads of a key/value group; none for the logits."""
        reader = self._row(reader, self.readers, "reader")
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
