"""Edge scores, what most searches give, and the circuits that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from helpers.checks import Amount, Number, checked
from helpers.circuits.circuit import Circuit, values_of
from helpers.circuits.graph import Graph


@dataclass(frozen=True, eq=False)
class Scores:
    """A score for each edge; positive means that the edge helps (cutting it makes the metric worse).

    What stands at places that are no edges doesn't count.

    Raises:
        ValueError: for values of another shape or type, or an edge's score that is nan or infinite.
    """

    graph: Graph
    values: Float[Tensor, "reader source"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", values_of(self.graph, self.values))
        self._check_finite()

    def __repr__(self) -> str:
        best = divmod(int(self._ranked(1)[0]), len(self.graph.sources))
        return f"Scores({self.graph.n_edges:,} edges, best {self.graph.name(*best)} {self.values[best]:.2f})"

    @checked
    def top(self, n: Amount) -> Circuit:
        """The ``n`` edges with the highest scores.

        Raises:
            ValueError: if there aren't ``n`` edges.
        """
        mask = torch.zeros_like(self.graph.edges)
        mask.view(-1)[self._ranked(n)[:n]] = True
        return Circuit(self.graph, mask)

    @checked
    def above(self, threshold: Number) -> Circuit:
        """The edges with a score above ``threshold``."""
        self._check_finite()
        return Circuit(self.graph, self.graph.edges & (self.values > threshold))

    @checked
    def greedy(self, n: Amount) -> Circuit:
        """``n`` edges, grown from the logits: always the best edge into a node that the circuit already uses."""
        graph, width, ranked = self.graph, len(self.graph.sources), self._ranked(n)
        rank = torch.empty(graph.edges.numel(), dtype=torch.long)
        rank[ranked] = torch.arange(len(ranked))
        feeds = [readers.nonzero().flatten().tolist() for readers in graph.feeds.T]
        mask, opened, frontier = torch.zeros_like(graph.edges), set(), []

        def open_reader(reader: int) -> None:
            if reader not in opened:
                opened.add(reader)
                places = (reader * width + graph.edges[reader].nonzero().flatten()).tolist()
                for place in places:
                    heappush(frontier, (int(rank[place]), place))

        open_reader(len(graph.readers) - 1)
        for _ in range(n):
            reader, source = divmod(heappop(frontier)[1], width)
            mask[reader, source] = True
            for fed in feeds[source]:
                open_reader(fed)
        return Circuit(graph, mask)

    def _check_finite(self) -> None:
        """Called before every choice, too: values can be changed in place."""
        wrong = (self.graph.edges > self.values.isfinite()).nonzero().tolist()
        if wrong:
            edge, value = self.graph.name(*wrong[0]), float(self.values[tuple(wrong[0])])
            raise ValueError(f"{len(wrong)} of {self.graph.n_edges} edges have no finite score; {edge} has {value}")

    def _ranked(self, n: int) -> Tensor:
        """Flat places of all edges, best first, of which ``n`` are taken; ties in the graph's order."""
        if n > self.graph.n_edges:
            raise ValueError(f"the graph has {self.graph.n_edges} edges, so the best {n} can't be taken")
        self._check_finite()
        places = self.graph.edges.flatten().nonzero().flatten()
        return places[self.values.flatten()[places].argsort(descending=True, stable=True)]


Merge = Literal["mean", "min", "max"]


@checked
def ensemble(scores: Annotated[Sequence[Scores], Field(min_length=1)], how: Merge = "mean") -> Scores:
    """Several searches' scores as one: every edge's ranks, from 0 (worst) to 1, and their mean, least or greatest.

    Ranks forget the scale, on which searches don't agree, and the sign: take circuits by number (`Scores.top`).

    Raises:
        ValueError: for scores of different graphs.
    """
    graph = scores[0].graph
    if any(other.graph != graph for other in scores):
        raise ValueError("scores can be merged if all are of one graph")
    places = graph.edges.flatten().nonzero().flatten()
    ranks = torch.zeros(len(scores), graph.edges.numel())
    for row, own in zip(ranks, scores, strict=True):
        row[own._ranked(0)] = torch.linspace(1, 0, len(places))
    merged = {"mean": ranks.mean(0), "min": ranks.amin(0), "max": ranks.amax(0)}[how]
    return Scores(graph, merged.view(graph.edges.shape))
