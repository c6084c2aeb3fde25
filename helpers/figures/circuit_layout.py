"""Where the parts of a circuit stand in its picture, and how its edges run between them.

A row for each layer, heads by number; the embedding, the MLPs and the logits form a column at the right, and what runs
between them bulges out on its far side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.figures.display import COLORS, INK

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


def kind_of(reader: str) -> str:
    """How a reader reads: ``"q"``, ``"k"``, ``"v"``, ``"mlp"`` or ``"logits"``."""
    if reader == "logits":
        return reader
    return reader[-2] if reader.endswith(">") else "mlp"


def arcs_of(circuit: Circuit, scores: Scores | None) -> list[Arc]:
    """The circuit's edges in the graph's order, laid out."""
    graph, arcs = circuit.graph, []
    for reader, source in circuit.mask.nonzero().tolist():
        kind = kind_of(graph.readers[reader])
        start, end = place(graph, graph.sources[source]), entry(graph, reader)
        score = None if scores is None else float(scores.values[reader, source])
        points = start, _middle(graph, kind, start, end), end
        arcs.append(Arc(graph.name(reader, source), graph.sources[source], kind, score, points))
    return arcs


# class -> name in COLORS, and plotly's name of the mark; MLPs are squares, embedding and logits diamonds.
CLASS_MARKS = {
    "mover": ("mover", "circle"),
    "relation": ("relation", "circle"),
    "mixture": ("mixture", "circle"),
    "previous token": ("readers", "triangle-left"),
    "duplicate token": ("mixture", "hourglass"),
    "induction": ("mover", "circle"),
    "S-inhibition": ("relation", "x"),
    "name mover": ("answer", "star"),
    "negative name mover": ("corrupt", "triangle-down"),
    "backup name mover": ("sources", "hexagon"),
}
NAMED_SIZE = 1.4  # a head with a class is larger than others by this factor


def named_heads(classes: Mapping[str, str] | None, graph: Graph) -> dict[str, str]:
    """The heads that have a class.

    Raises:
        ValueError: for a class of an unknown source, or an unknown class.
    """
    for name, kind in (classes or {}).items():
        if name not in graph.sources:
            raise ValueError(f"a class is given for {name!r}, which is no source of {graph}")
        if kind not in (*CLASS_MARKS, "none"):
            raise ValueError(f"unknown class {kind!r} of {name}; choose from {', '.join((*CLASS_MARKS, 'none'))}")
    return {name: kind for name, kind in (classes or {}).items() if kind != "none"}


def node_marks(nodes: Sequence[str], named: Mapping[str, str], size: float) -> dict[str, list]:
    """Symbol, colour and size of each node, as plotly's marker takes them."""
    shapes = {"a": "circle", "m": "square"}
    marks = [_class_mark(named[name]) if name in named else (INK, shapes.get(name[0], "diamond")) for name in nodes]
    sizes = [size * (NAMED_SIZE if name in named else 1) for name in nodes]
    return dict(color=[color for color, _ in marks], symbol=[symbol for _, symbol in marks], size=sizes)


def _class_mark(kind: str) -> tuple[str, str]:
    color, symbol = CLASS_MARKS[kind]
    return COLORS[color], symbol


def class_legend(named: Mapping[str, str]) -> list[go.Scatter]:
    """An entry for each class that is there, in a fixed order, and one for all other nodes."""
    present = [kind for kind in CLASS_MARKS if kind in named.values()]
    marks = {kind: dict(zip(("color", "symbol"), _class_mark(kind), strict=True), size=11) for kind in present}
    marks["no class"] = dict(color=INK, size=9)
    nowhere = dict(x=[None], y=[None], mode="markers")
    # each a group of its own: entries without a group would stand in one column
    return [go.Scatter(nowhere, name=name, legendgroup=name, marker=mark) for name, mark in marks.items()]
