"""Two circuits in one picture: what both have, what only the first has, and what only the second has."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go

from helpers.circuits.graph import Circuit
from helpers.figures.circuit import edge_lines, faint_nodes, legend_entries, node_traces, picture_layout
from helpers.figures.circuit_layout import Arc, arcs_of

# What became of an edge: name in the legend, name in COLORS; drawn in this order, so changes lie above what stayed.
CHANGES = {"kept": ("kept", "other"), "lost": ("lost", "corrupt"), "gained": ("gained", "mover")}


def circuit_difference(before: Circuit, after: Circuit, *, title: str) -> go.Figure:
    """Draw what two circuits share in gray, what only the first has in red, and what only the second has in blue.

    A click on the legend hides a kind of edge; pointing at the middle of an edge tells its name.

    Args:
        title: the finding.

    Raises:
        ValueError: for circuits of different graphs, or two empty ones.
    """
    parts = {"kept": before & after, "lost": before - after, "gained": after - before}
    whole = before | after
    if not whole.n_edges:
        raise ValueError("both circuits are empty: there is nothing to draw")
    arcs = [replace(arc, kind=change) for change, part in parts.items() for arc in arcs_of(part, None)]
    lines = edge_lines(arcs, 0.0, kinds=CHANGES)
    drawn = [line for kind in CHANGES for line in lines if line.legendgroup == kind]
    nodes = node_traces(whole, arcs_of(whole, None), {}, {})
    figure = go.Figure([faint_nodes(whole.graph), *legend_entries(arcs, CHANGES), *drawn, *nodes])
    figure.update_layout(picture_layout(whole.graph, arcs, title))
    figure.update_layout(legend_title_text="", meta={"table": _table(arcs)})
    return figure


def _table(arcs: list[Arc]) -> list[list]:
    return [["edge", "change"], *([arc.name, arc.kind] for arc in reversed(arcs))]
