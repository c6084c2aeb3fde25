"""Training steps on a logarithmic axis: lines in panels, with the corpus's courses shaded."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS, INK
from helpers.figures.plots import DASHES, SYMBOLS, Lines


def stacked_lines(
    panels: Mapping[str, Lines],
    colors: Mapping[str, str],
    *,
    title: str,
    x_title: str,
    shaded: Mapping[str, tuple[float, float]] | None = None,
    y_title: str = "",
    columns: int = 1,
    height: int = 190,
) -> go.Figure:
    """Panels of lines over one logarithmic axis; a name has the same colour, mark and legend entry in all panels.

    Args:
        panels: the title of each panel and its lines.
        colors: line -> name in ``COLORS``.
        shaded: stretches of the axis with their names, which stand in the first panel.
        y_title: of the panels at the left.
        columns: panels beside each other.
        height: of a panel, in pixels.
    """
    rows = -(-len(panels) // columns)
    titles = [f"<b>{name}</b>" for name in panels]
    gap = dict(vertical_spacing=0.32 / rows if rows > 1 else 0, horizontal_spacing=0.1)
    figure = make_subplots(rows, columns, shared_xaxes=True, subplot_titles=titles, **gap)
    ticks = sorted({x for lines in panels.values() for xs, _ in lines.values() for x in xs})
    ranks, shown = {name: n for n, name in enumerate(colors)}, set()
    for number, lines in enumerate(panels.values()):
        place = dict(row=number // columns + 1, col=number % columns + 1)
        for name, (x, y) in lines.items():
            rank, color = ranks[name], COLORS[colors[name]]
            style = dict(line=dict(color=color, dash=DASHES[rank % 5]), marker=dict(symbol=SYMBOLS[rank % 5], size=8))
            fresh, kind = name not in shown, dict(name=name, legendgroup=name, mode="lines+markers")
            figure.add_scatter(x=list(x), y=list(y), showlegend=fresh, **kind, **style, **place)
            shown.add(name)
        for first, last in (shaded or {}).values():
            figure.add_vrect(first, last, fillcolor=COLORS["other"], opacity=0.22, line_width=0, layer="below", **place)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{x:,}" for x in ticks], tickangle=-45)
    figure.update_annotations(font=dict(size=13, color=INK))
    for column in range(1, columns + 1):
        figure.update_xaxes(title=x_title, row=rows, col=column)
    figure.update_yaxes(title=y_title, col=1)
    above = dict(y=1 + 26 / (height * rows), yanchor="bottom")  # of the first panels' titles
    return figure.update_layout(title=title, height=150 + height * rows, legend=above, margin_t=100)
