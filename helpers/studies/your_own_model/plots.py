"""Figures of chapter 18."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from helpers.figures.display import COLORS


def estimated_peaks(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Estimated over measured memory (``estimate_gb, peak_gb``), one mark for each search; on the line both agree."""
    figure = go.Figure(layout_title_text=title)
    ends = [0.8 * table[["peak_gb", "estimate_gb"]].min().min(), 1.25 * table[["peak_gb", "estimate_gb"]].max().max()]
    line = dict(color=COLORS["other"], width=1, dash="dot")
    figure.add_scatter(x=ends, y=ends, mode="lines", line=line, name="equal", hoverinfo="skip")
    for (name, part), color, symbol in zip(
        table.groupby("model", sort=False), ("mover", "relation", "mlp"), ("circle", "diamond", "square"), strict=False
    ):
        marker = dict(size=11, color=COLORS[color], symbol=symbol)
        told = part.search + ", " + part.dtype
        figure.add_scatter(x=part.peak_gb, y=part.estimate_gb, mode="markers", marker=marker, name=name, text=told)
    ticks = dict(type="log", tickvals=[0.5, 1, 2, 5, 10])
    figure.update_xaxes(title="measured peak (GB, log scale)", **ticks)
    figure.update_yaxes(title="estimate (GB, log scale)", **ticks)
    return figure
