"""Where the parts of a circuit stand in its picture, and how its edges run between them.

A row for each layer, heads by number; the embedding, the MLPs and the logits form a column at the right, and what runs
between them bulges out on its far side.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.graph import Circuit, Graph
from helpers.scores import Scores

BENDS = {"q": -0.3, "k": 0.1, "v": 0.3}  # in columns, so that q, k and v between the same nodes lie side by side
Point = tuple[float, float]


@dataclass(frozen=True)
class Arc:
    """An edge as it is drawn."""

    name: str
    source: str
    kind: str
    score: float | None
    points: tuple[Point, Point, Point]


def spine(graph: Graph) -> float:
    """The column of the embedding, the MLPs and the logits."""
    return graph.n_heads + 0.2


def bulge(rise: float) -> float:
    """How far to the right an arc in the column goes that climbs ``rise`` layers, in columns."""
    return 0.45 * rise**0.7


def place(graph: Graph, name: str) -> Point:
    """Where a source or the logits stand; an MLP half a row above the heads of its layer, which it reads."""
    if name in ("embed", "logits"):
        return spine(graph), -1.0 if name == "embed" else float(graph.n_layers)
    layer, _, head = name[1:].partition(".h")
    return (float(head), float(layer)) if head else (spine(graph), float(layer) + 0.4)


def entry(graph: Graph, reader: int) -> Point:
    """Where an edge ends: at its head, MLP or the logits, or at the mark below the heads of a key/value group."""
    fed = [place(graph, name) for name in graph.sources[graph.source_of(reader)]]
    if len(fed) > 1:
        return (fed[0][0] + fed[-1][0]) / 2, fed[0][1] - 0.3
    return fed[0] if fed else place(graph, "logits")


def _middle(graph: Graph, kind: str, start: Point, end: Point) -> Point:
    """The middle of an arc, bent so that edges pass beside the nodes between their ends."""
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    rise = end[1] - start[1]
    if start[0] == end[0] == spine(graph):
        return x + bulge(rise), y
    if kind not in BENDS:  # a head's line starts upwards, out of its row
        return x, y + min(0.22, rise / 4)
    return x + BENDS[kind] * min(1.0, rise / 2), y


def arcs_of(circuit: Circuit, scores: Scores | None) -> list[Arc]:
    """The circuit's edges in the graph's order, laid out."""
    graph, arcs = circuit.graph, []
    for reader, source in circuit.mask.nonzero().tolist():
        name = graph.readers[reader]
        kind = name[-2] if name.endswith(">") else name if name == "logits" else "mlp"
        start, end = place(graph, graph.sources[source]), entry(graph, reader)
        score = None if scores is None else float(scores.values[reader, source])
        points = start, _middle(graph, kind, start, end), end
        arcs.append(Arc(graph.name(reader, source), graph.sources[source], kind, score, points))
    return arcs
