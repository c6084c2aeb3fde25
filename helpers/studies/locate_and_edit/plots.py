"""Edits: where a restored state helps, how editors trade generality against specificity, edits in sequence."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS, SEQUENTIAL
from helpers.figures.plots import SYMBOLS

BELOW = dict(y=-0.16, yanchor="top")  # where a legend stands below the figure


def role_maps(maps: Mapping[str, pd.DataFrame], *, title: str, unit: str) -> go.Figure:
    """Heat maps one below the other, each a table with a row for each position or role and a column for each layer."""
    figure = make_subplots(len(maps), 1, subplot_titles=list(maps), shared_xaxes=True, vertical_spacing=0.09)
    for row, table in enumerate(maps.values(), 1):
        figure.add_heatmap(
            z=table.to_numpy().round(3),
            x=[f"layer {n}" for n in table.columns],
            y=list(table.index),
            coloraxis="coloraxis",
            texttemplate="%{z:.2f}",
            hovertemplate="%{y}, %{x}: %{z}<extra></extra>",
            row=row,
            col=1,
        )
    figure.update_yaxes(autorange="reversed")
    layers = list(table.columns)
    figure.update_xaxes(tickvals=[f"layer {n}" for n in layers], ticktext=[str(n) for n in layers], tickangle=0)
    figure.update_xaxes(title=dict(text="layer", standoff=4), row=len(maps))
    bar = dict(title=dict(text=unit, side="top"), orientation="h", y=-0.07, yanchor="top", thickness=12, outlinewidth=0)
    axis = dict(colorscale=SEQUENTIAL, cmin=0, cmax=1, colorbar=bar)
    rows = sum(len(table) for table in maps.values())
    return figure.update_layout(title_text=title, height=170 + 40 * len(maps) + 28 * rows, coloraxis=axis, margin_t=72)


def trade_off(table: pd.DataFrame, x: str, y: str, colors: Mapping[str, str], *, title: str) -> go.Figure:
    """A mark for each layer of each method, with intervals: up is more general, right is more specific.

    A dotted line leads from a method's first to its last layer; the marks at its ends have the layer's number.

    Args:
        table: columns ``method, layer, score, value, low, high``; ``x`` and ``y`` are two of the scores.
        colors: the colour of each method.
    """
    figure = go.Figure(layout_title_text=title)
    for symbol, (method, color) in zip(cycle(SYMBOLS), colors.items(), strict=False):
        own = table[table.method == method]
        found = {axis: own[own.score == name].set_index("layer").sort_index() for axis, name in (("x", x), ("y", y))}
        layers = sorted(found["x"].index)  # only the ends are named: between them marks stand too close
        ends = [n if n in (layers[0], layers[-1]) else -1 for n in layers]
        line = dict(type="data", symmetric=False, thickness=1, width=0)
        bars = {
            f"error_{axis}": line | dict(array=part.high - part.value, arrayminus=part.value - part.low)
            for axis, part in found.items()
        }
        figure.add_scatter(
            x=found["x"].value,
            y=found["y"].value,
            text=[str(n) if n >= 0 else "" for n in ends],
            mode="lines+markers+text",
            textposition="bottom center",
            textfont_size=12,
            line=dict(width=1, dash="dot"),
            name=method,
            marker=dict(symbol=symbol, size=9, color=COLORS[color]),
            customdata=layers,
            hovertemplate=("layer %{customdata}: " if layers and layers[0] >= 0 else "")
            + "%{x}, %{y}<extra>"
            + method
            + "</extra>",
            **bars,
        )
    figure.update_layout(height=440 + 22 * len(colors), legend=dict(orientation="v", **BELOW))
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure


def series(
    table: pd.DataFrame, panels: Mapping[str, str], colors: Mapping[str, str], *, title: str, x_title: str
) -> go.Figure:
    """Edits in sequence: a panel for each measure, a line for each ``line`` of the table.

    Lines are means over runs, bars reach from the lowest to the highest run.

    Args:
        table: columns ``line, edits, measure, value``, several rows for each of them where there are several runs.
        panels: measure -> heading.
        colors: line -> name in ``COLORS``.
    """
    headings = list(panels.values())
    figure = make_subplots(len(panels), 1, subplot_titles=headings, shared_xaxes=True, vertical_spacing=0.07)
    for row, measure in enumerate(panels, 1):
        for symbol, (line, color) in zip(cycle(SYMBOLS), colors.items(), strict=False):
            part = table[(table.measure == measure) & (table.line == line)].groupby("edits").value
            mean, low, high = part.mean(), part.min(), part.max()
            bars = dict(type="data", symmetric=False, array=high - mean, arrayminus=mean - low, thickness=1, width=3)
            figure.add_scatter(
                x=mean.index,
                y=mean,
                error_y=bars,
                name=line,
                legendgroup=line,
                showlegend=row == 1,
                mode="lines+markers",
                line_color=COLORS[color],
                marker_symbol=symbol,
                row=row,
                col=1,
            )
    figure.update_xaxes(title=x_title, row=len(panels))
    figure.update_layout(
        title_text=title, height=170 + 190 * len(panels), margin_t=72, legend=dict(y=-0.1, yanchor="top")
    )
    return figure
