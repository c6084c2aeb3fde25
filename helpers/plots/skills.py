"""Heads and skills: heads on two axes, how a skill forms in training, how much cuts change."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from helpers.display import COLORS, INK
from helpers.evaluation import Estimate


def heads_on_axes(
    table: pd.DataFrame, x: str, y: str, colors: Mapping[str, str], *, title: str, labels: Mapping[str, str]
) -> go.Figure:
    """One mark for each head at two measured values: columns ``head, class, model`` and ``x, y``.

    Args:
        colors: class -> name in ``COLORS``; other classes are drawn as ``"other"``. One panel for each ``model``.
    """
    figure = px.scatter(
        table,
        x=x,
        y=y,
        color="class",
        symbol="class",
        facet_col="model",
        hover_name="head",
        color_discrete_map={name: COLORS[colors.get(name, "other")] for name in table["class"].unique()},
        labels=dict(labels),
        title=title,
    )
    figure.update_traces(marker_size=9)
    figure.update_layout(legend=dict(title_text="", y=1.1))  # above the names of the panels
    return figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))


def formation(
    table: pd.DataFrame, colors: Mapping[str, str], *, title: str, y_title: str, formed: tuple[float, float]
) -> go.Figure:
    """Shares over training steps on a logarithmic axis: column ``step``, and one line for each column in ``colors``.

    Args:
        formed: the two steps between which the change falls; the strip between them is shaded.
    """
    figure = go.Figure(layout_title_text=title)
    figure.add_vrect(*formed, fillcolor=COLORS["other"], opacity=0.15, line_width=0, layer="below")
    symbols, dashes = ("circle", "diamond", "square", "x"), ("solid", "dash", "dot", "dashdot")
    for symbol, dash, (name, color) in zip(symbols, dashes, colors.items(), strict=False):
        style = dict(line=dict(color=COLORS[color], dash=dash), marker=dict(symbol=symbol, size=9))
        figure.add_scatter(x=table.step, y=table[name], name=name, mode="lines+markers", **style)
    figure.update_xaxes(title="training step", type="log", tickvals=table.step, ticktext=[f"{s:,}" for s in table.step])
    figure.update_yaxes(title=y_title, range=[-0.03, 1.05])
    return figure


def changes(
    rows: Mapping[str, Estimate], whole: float, *, title: str, x_title: str, color: str = "mover", chance: str = ""
) -> go.Figure:
    """A bar with its interval for each row, the first on top, and a line at the whole model's value.

    Args:
        chance: rows whose name contains this are drawn in grey.
    """
    figure = go.Figure(layout_title_text=title)
    values = list(rows.values())
    shades = [COLORS["other" if chance and chance in name else color] for name in rows]
    up, down = [v.high - v for v in values], [v - v.low for v in values]
    bars = dict(type="data", symmetric=False, array=up, arrayminus=down, color=INK, thickness=1.5)
    figure.add_bar(
        x=[float(v) for v in values], y=list(rows), orientation="h", marker_color=shades, error_x=bars, width=0.6
    )
    figure.add_vline(x=whole, line=dict(color=INK, dash="dot", width=1))
    figure.update_layout(height=130 + 34 * len(rows), showlegend=False)
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(autorange="reversed")
    return figure
