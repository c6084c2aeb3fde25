"""Edge scores, what most searches give; the circuits that they choose, and files that other tools read and write."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.checks import Amount, Count, Number, checked
from helpers.circuits.circuit import Circuit, values_of
from helpers.circuits.graph import Graph
from helpers.files import read_json, write_whole


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
        graph, width = self.graph, len(self.graph.sources)
        feeds = [readers.nonzero().flatten().tolist() for readers in graph.feeds.T]
        chosen = grown(
            self._ranked(n),
            n,
            len(graph.readers) - 1,
            into=lambda reader: (reader * width + graph.edges[reader].nonzero().flatten()).tolist(),
            opens=lambda place: feeds[place % width],
        )
        mask = torch.zeros_like(graph.edges)
        mask.view(-1)[chosen] = True
        return Circuit(graph, mask)

    def _check_finite(self) -> None:
        """Called before every choice, too: values can be changed in place."""
        wrong = (self.graph.edges > self.values.isfinite()).nonzero().tolist()
        if wrong:
            edge, value = self.graph.name(*wrong[0]), float(self.values[tuple(wrong[0])])
            raise ValueError(f"{len(wrong)} of {self.graph.n_edges} edges have no finite score; {edge} has {value}")

    def _ranked(self, n: int) -> Tensor:
        self._check_finite()
        return ranked(self.values, self.graph.edges, n)


def ranked(values: Tensor, edges: Tensor, n: int) -> Tensor:
    """Flat places of all edges, best first, of which ``n`` are taken; ties in the graph's order.

    Raises:
        ValueError: if there aren't so many.
    """
    places = edges.flatten().nonzero().flatten()
    if n > len(places):
        raise ValueError(f"the graph has {len(places)} edges, so the best {n} can't be taken")
    return places[values.flatten()[places].argsort(descending=True, stable=True)]


def grown(
    ranked: Tensor,
    n: int,
    root: Hashable,
    *,
    into: Callable[[Hashable], Iterable[int]],
    opens: Callable[[int], Iterable[Hashable]],
) -> list[int]:
    """The flat places of ``n`` edges, grown from a root: always the best edge into a reader that is already open.

    Args:
        ranked: flat places of all edges, the best first.
        into: the places of a reader's edges.
        opens: the readers that feed the source of the edge at a place.

    Raises:
        ValueError: if fewer edges than ``n`` lead to the root.
    """
    rank = {place: number for number, place in enumerate(ranked.tolist())}
    chosen, opened, frontier = [], {root}, [(rank[place], place) for place in into(root)]
    heapify(frontier)
    for _ in range(n):
        if not frontier:
            raise ValueError(f"only {len(chosen)} edges lead to the logits, so {n} can't be taken")
        place = heappop(frontier)[1]
        chosen.append(place)
        for reader in opens(place):
            if reader not in opened:
                opened.add(reader)
                for new in into(reader):
                    heappush(frontier, (rank[new], new))
    return chosen


# Files of EAP-IG and of the MIB benchmark (arXiv 2504.13151): JSON with a score and a flag for each edge. One name
# differs: what is ``embed`` here is ``input`` there. They know no groups of keys and values: each head of a group has
# a key and a value edge of its own: written, a group's score is shared out evenly, and read, it is their sum. The sign
# is the same: they take (corrupt - clean) times the gradient of a loss, minus the logit difference.
THEIRS = "a graph of EAP-IG or MIB"


def _their_edges(graph: Graph) -> Iterator[tuple[str, tuple[int, int], int]]:
    """Every edge by its name there, its (reader, source) here, and how many edges there share that place."""
    size = graph.n_heads // graph.n_groups
    for place in graph.edges.nonzero().tolist():
        source, reader = graph.name(*place).split("->")
        source = "input" if source == "embed" else source
        if ".kv" in reader and size > 1:
            layer, rest = reader.split(".kv")
            group, letter = rest.split("<")
            heads = range(int(group) * size, (int(group) + 1) * size)
            for head in heads:
                yield f"{source}->{layer}.h{head}<{letter}", tuple(place), size
        else:
            yield f"{source}->{reader}", tuple(place), 1


@checked
def write_mib(path: str | Path, found: Scores | Circuit, d_model: Count) -> None:
    """Write scores, or a circuit, as a file that can be submitted to MIB's circuit track.

    Args:
        d_model: the width of the model's residual stream, which such a file states.

    Raises:
        OSError: if the file can't be written; what stood there stays.
    """
    graph = found.graph
    circuit = found if isinstance(found, Circuit) else Circuit.full(graph)
    edges = {}
    for name, place, share in _their_edges(graph):
        edges[name] = {"in_graph": bool(circuit.mask[place])}
        if isinstance(found, Scores):
            edges[name] = {"score": float(found.values[place]) / share} | edges[name]
    used = {end.split("<")[0] for name, edge in edges.items() if edge["in_graph"] for end in name.split("->")}
    names = ["input", *graph.sources[1:], "logits"]
    cfg = {"n_layers": graph.n_layers, "n_heads": graph.n_heads, "parallel_attn_mlp": False, "d_model": d_model}
    nodes = {name: {"in_graph": name in used} for name in names}
    write_whole(path, json.dumps({"cfg": cfg, "nodes": nodes, "edges": edges}) + "\n")


@checked
def read_mib(path: str | Path, graph: Graph | None = None) -> Scores | Circuit:
    """Read such a file: scores, or a circuit if its edges have none.

    Args:
        graph: of the model that the file is about; by default one of the file's size, without grouped queries.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of these, or of another model; the message names the file and what is wrong.
    """
    path, raw = read_json(path, THEIRS, dict)
    try:
        cfg, edges = raw["cfg"], raw["edges"]
        graph = graph or Graph(cfg["n_layers"], cfg["n_heads"], cfg["n_heads"])
        if (cfg["n_layers"], cfg["n_heads"]) != (graph.n_layers, graph.n_heads):
            raise ValueError(f"it is of {cfg['n_layers']} layers and {cfg['n_heads']} heads, not of {graph}")
        return _read_edges(graph, edges)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} isn't {THEIRS}: {type(error).__name__} at {error}") from error
    except ValueError as error:
        raise ValueError(f"{path} isn't {THEIRS}: {error}") from error


def _read_edges(graph: Graph, edges: dict[str, dict[str, Any]]) -> Scores | Circuit:
    scored = all("score" in edge for edge in edges.values())
    values, mask, seen = torch.zeros(graph.edges.shape), torch.zeros_like(graph.edges), 0
    for name, place, _ in _their_edges(graph):
        if name not in edges:
            raise ValueError(f"it lacks the edge {name}")
        values[place] += float(edges[name].get("score", 0))
        mask[place] |= bool(edges[name]["in_graph"])
        seen += 1
    if seen != len(edges):
        raise ValueError(f"it has {len(edges)} edges, and {graph} has {seen} there")
    return Scores(graph, values) if scored else Circuit(graph, mask)
