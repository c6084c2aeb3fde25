"""How the picture of a circuit shows the classes of heads: a colour and a mark for each, and their legend.

Ten colours can't all be told apart with every colour vision, so each class of a skill has a mark of its own too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from helpers.display import COLORS, INK
from helpers.graph import Graph

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
    plain = [(INK, _symbol(name)) for name in nodes]
    marks = [
        (COLORS[CLASS_MARKS[named[name]][0]], CLASS_MARKS[named[name]][1]) if name in named else mark
        for name, mark in zip(nodes, plain, strict=True)
    ]
    sizes = [size * (NAMED_SIZE if name in named else 1) for name in nodes]
    return dict(color=[color for color, _ in marks], symbol=[symbol for _, symbol in marks], size=sizes)


def class_legend(named: Mapping[str, str]) -> list[go.Scatter]:
    """An entry for each class that is there, in a fixed order, and one for all other nodes."""
    present = [kind for kind in CLASS_MARKS if kind in named.values()]
    marks = {kind: dict(color=COLORS[CLASS_MARKS[kind][0]], symbol=CLASS_MARKS[kind][1], size=11) for kind in present}
    marks["no class"] = dict(color=INK, size=9)
    nowhere = dict(x=[None], y=[None], mode="markers")
    # each a group of its own: entries without a group would stand in one column
    return [go.Scatter(nowhere, name=name, legendgroup=name, marker=mark) for name, mark in marks.items()]


def _symbol(name: str) -> str:
    return "circle" if name.startswith("a") else "square" if name.startswith("m") else "diamond"
