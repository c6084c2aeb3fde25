"""Points, lines and boxes: numbers with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from helpers.display import COLORS
from helpers.evaluation import Estimate

# The middle, the low end and the high end of each point; or its estimate.
Line = tuple[Sequence[float], Sequence[float], Sequence[float]] | Sequence[Estimate]


def dots(table: pd.DataFrame, label: str, colors: Mapping[str, str], *, title: str, x_title: str) -> go.Figure:
    """One row for each ``label``, one mark for each column in ``colors`` (column -> name in ``COLORS``).

    Columns are drawn as a short line, an open circle and a filled circle, in this order.
    """
    figure = go.Figure(layout_title_text=title)
    for symbol, (column, color) in zip(("line-ns-open", "circle-open", "circle"), colors.items(), strict=False):
        marker = dict(symbol=symbol, size=9, color=COLORS[color])
        figure.add_scatter(x=table[column], y=table[label], name=column, mode="markers", marker=marker)
    figure.update_layout(height=120 + 19 * len(table))
    figure.update_yaxes(dtick=1, tickfont_size=11)
    figure.update_xaxes(title=x_title, tickformat=".0%", range=[-0.03, 1.05])
    return figure


def curves(
    x: Sequence, lines: Mapping[str, Line], colors: Sequence[str], *, title: str, x_title: str, y_title: str
) -> go.Figure:
    """Lines with error bars; ``lines`` maps a name to estimates, or to its middle, low and high values."""
    figure = go.Figure(layout_title_text=title)
    for (name, line), color in zip(lines.items(), colors, strict=True):
        middle, low, high = _ends(line)
        up = [h - m for m, h in zip(middle, high, strict=True)]
        down = [m - lo for m, lo in zip(middle, low, strict=True)]
        bars = dict(type="data", symmetric=False, array=up, arrayminus=down)
        figure.add_scatter(x=list(x), y=list(middle), error_y=bars, name=name, line_color=COLORS[color])
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure


def _ends(line: Line) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    if not isinstance(line[0], Estimate):
        return line
    return [float(e) for e in line], [e.low for e in line], [e.high for e in line]


def standings(
    stops: Sequence[str], lines: Mapping[str, Sequence[Estimate]], colors: Sequence[str], *, title: str, y_title: str
) -> go.Figure:
    """How far words are ahead of others of their type, at each stop, with intervals; dotted: chance, one half."""
    figure = curves(stops, lines, colors, title=title, x_title="behind which part", y_title=y_title)
    figure.update_yaxes(tickformat=".0%", range=[0.3, 1.03])
    figure.add_hline(y=0.5, line_dash="dot", line_width=1)
    return figure


def by_share(
    shares: Sequence[float], lines: Mapping[str, Line], colors: Sequence[str], *, title: str, y_title: str
) -> go.Figure:
    """Lines with error bars over the share of the weights that is kept, on a logarithmic axis."""
    figure = curves(
        shares, lines, colors, title=title, x_title="share of the weights kept (log scale)", y_title=y_title
    )
    figure.update_xaxes(type="log", tickvals=list(shares), ticktext=[f"{share:.0%}" for share in shares])
    return figure


def estimates(
    rows: Sequence[str], marks: Mapping[str, Sequence[Estimate]], colors: Sequence[str], *, title: str, x_title: str
) -> go.Figure:
    """Estimates with their intervals: for each name in ``marks``, one mark on each of the rows, the first on top."""
    figure = go.Figure(layout_title_text=title)
    symbols = ("circle", "diamond", "x", "square")
    for symbol, (name, values), color in zip(symbols, marks.items(), colors, strict=False):
        up, down = [v.high - v for v in values], [v - v.low for v in values]
        bars = dict(type="data", symmetric=False, array=up, arrayminus=down)
        marker = dict(symbol=symbol, size=10, color=COLORS[color])
        x = [float(v) for v in values]
        figure.add_scatter(x=x, y=list(rows), error_x=bars, name=name, mode="markers", marker=marker, orientation="h")
    figure.update_layout(height=140 + 44 * len(rows), scattermode="group", scattergap=0.5)
    drawn = [value for values in marks.values() for value in values]
    low, high = min(value.low for value in drawn), max(value.high for value in drawn)
    room = 0.05 * (high - low)  # or a mark at the end is cut in two
    figure.update_xaxes(title=x_title, range=[low - room, high + room] if room else None)
    figure.update_yaxes(autorange="reversed")
    return figure


def beside_chance(value: float, chance: Sequence[float], names: tuple[str, str], *, title: str, unit: str) -> go.Figure:
    """A measured value beside the same measurement of random choices; ``names`` are those of the two rows."""
    figure = go.Figure(layout_title_text=title)
    figure.add_box(x=list(chance), name=names[1], boxpoints="all", marker_color=COLORS["other"])
    marker = dict(symbol="diamond", size=13, color=COLORS["mover"])
    figure.add_scatter(x=[value], y=[names[0]], mode="markers", marker=marker)
    figure.update_layout(showlegend=False, height=260)
    figure.update_xaxes(title=unit)
    return figure
