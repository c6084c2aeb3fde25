"""Figures of chapter 15."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from helpers.figures.plots import curves
from helpers.statistics import Estimate


def percentile_curves(
    stops: Sequence[str], lines: Mapping[str, Sequence[Estimate]], colors: Sequence[str], *, title: str, y_title: str
) -> go.Figure:
    """How far words are ahead of others of their type, at each stop, with intervals; dotted: chance, one half."""
    figure = curves(stops, lines, colors, title=title, x_title="behind which part", y_title=y_title)
    figure.update_yaxes(tickformat=".0%", range=[0.3, 1.03])
    figure.add_hline(y=0.5, line_dash="dot", line_width=1)
    return figure
