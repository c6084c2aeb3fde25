"""Figures of chapter 7."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from helpers.figures.display import COLORS, INK
from helpers.statistics import Estimate


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
