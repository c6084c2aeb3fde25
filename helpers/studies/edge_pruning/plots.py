"""Figures of chapter 3."""

from __future__ import annotations

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from helpers.figures.display import COLORS, INK


def visits(diary: pd.DataFrame, *, title: str) -> go.Figure:
    """The diary of a sweep: for each visited ``edge``, how much ``worse`` the metric got, and if it was ``kept``."""
    table = diary.assign(verdict=diary.kept.map({True: "kept", False: "dropped"}), visit=range(1, len(diary) + 1))
    colors = {"kept": COLORS["mover"], "dropped": COLORS["other"]}
    labels = {"worse": "fall of the metric"}
    return px.scatter(
        table,
        x="visit",
        y="worse",
        color="verdict",
        hover_name="edge",
        color_discrete_map=colors,
        labels=labels,
        title=title,
    )


def agreement(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Estimated against exact edge scores: columns ``exact, estimate, edge, method``, one panel for each method."""
    figure = px.scatter(
        table,
        x="exact",
        y="estimate",
        facet_col="method",
        hover_name="edge",
        title=title,
        labels={"exact": "measured by cutting", "estimate": "estimated"},
        color_discrete_sequence=[COLORS["readers"]],
    )
    ends, line = [table.exact.min(), table.exact.max()], dict(color=INK, width=1, dash="dot")
    figure.add_scatter(x=ends, y=ends, mode="lines", line=line, showlegend=False, row="all", col="all")
    return figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))


def growth(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Seconds over size on logarithmic axes: columns ``what, size, seconds, search``, one panel for each ``what``."""
    colors = [COLORS["readers"], COLORS["mover"]]
    figure = px.line(
        table,
        x="size",
        y="seconds",
        color="search",
        facet_col="what",
        facet_col_wrap=2,
        markers=True,
        log_x=True,
        log_y=True,
        color_discrete_sequence=colors,
        labels={"size": ""},
        title=title,
    )
    figure.update_layout(height=520)
    figure.update_xaxes(matches=None, showticklabels=True)
    return figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))
