"""The answer on its way through the layers, what its neurons write, and what circuits share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.display import COLORS

TOKENS = {"answer": "answer", "wrong": "corrupt", "random": "other"}  # token -> its colour
PARTS = {"embedding": "sources", "attention": "readers", "MLP": "mlp"}


def rank_by_layer(table: pd.DataFrame, places: Mapping[str, str], names: Mapping[str, str], *, title: str) -> go.Figure:
    """Medians and quartiles of the ranks of `answer_by_layer` (or several of them), on a logarithmic axis.

    Args:
        table: columns ``place, stop, behind, token, rank``.
        places: a panel for each place, with its heading.
        names: what each token is called in the legend.
    """
    figure = make_subplots(rows=1, cols=len(places), shared_yaxes=True, subplot_titles=list(places.values()))
    stops = table.drop_duplicates("stop").sort_values("stop").behind.tolist()
    for column, place in enumerate(places, 1):
        for token, name in names.items():
            part = table[(table.place == place) & (table.token == token)]
            low, middle, high = (part.groupby("stop")["rank"].quantile(q) for q in (0.25, 0.5, 0.75))
            bars = dict(
                type="data", symmetric=False, array=high - middle, arrayminus=middle - low, thickness=1, width=2
            )
            look = dict(color=COLORS[TOKENS[token]])
            figure.add_scatter(
                x=stops,
                y=middle,
                error_y=bars,
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line=look,
                row=1,
                col=column,
            )
    figure.update_yaxes(type="log", autorange="reversed", dtick=1)
    figure.update_yaxes(title="rank (1 is the likeliest)", col=1)
    figure.update_xaxes(title="read behind", tickangle=0, tickvals=stops[::2])
    figure.update_layout(title_text=title, height=430, legend_y=1.1, margin_t=110)
    return figure


def first_stops(table: pd.DataFrame, stops: Sequence[str], by: str, *, title: str) -> go.Figure:
    """How often each sublayer is the one behind which the answer is first: a panel for each value of ``by``.

    Args:
        table: columns ``behind, part`` of `made_first`, and ``by``.
        stops: all stops in order.
    """
    panels = list(dict.fromkeys(table[by]))
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, subplot_titles=panels)
    for column, panel in enumerate(panels, 1):
        own = table[table[by] == panel]
        for part, color in PARTS.items():
            share = own[own.part == part].behind.value_counts() / len(own)
            y = [share.get(stop, 0.0) for stop in stops]
            if any(y) or column > 1:
                figure.add_bar(
                    x=list(stops),
                    y=y,
                    name=part,
                    legendgroup=part,
                    showlegend=column == 1,
                    marker_color=COLORS[color],
                    row=1,
                    col=column,
                )
    figure.update_layout(title_text=title, barmode="stack", height=380, legend_y=1.1, margin_t=110)
    figure.update_yaxes(title="share of the facts", tickformat=".0%", col=1)
    figure.update_xaxes(title="the answer is first from here on", tickangle=0, tickvals=list(stops)[::2])
    return figure


def clustered(overlap: pd.DataFrame, groups: Mapping[str, str], *, title: str, unit: str) -> go.Figure:
    """A square table as a heat map, in the order it is given, beside a strip that tells each row's group.

    Args:
        groups: the group of each row.
    """
    names = [name.replace("_", " ") for name in overlap.index]
    kinds = list(dict.fromkeys(groups[row] for row in sorted(groups)))
    palette = [COLORS[c] for c in ("mover", "relation", "mlp", "mixture", "readers", "other")]
    figure = make_subplots(rows=1, cols=2, column_widths=[0.03, 0.97], horizontal_spacing=0.008, shared_yaxes=True)
    steps = [(i / len(kinds), palette[i % len(palette)]) for i in range(len(kinds))]
    scale = [stop for i, (low, color) in enumerate(steps) for stop in ((low, color), ((i + 1) / len(kinds), color))]
    figure.add_heatmap(
        z=[[kinds.index(groups[row])] for row in overlap.index],
        x=["group"],
        y=names,
        zmin=-0.5,
        zmax=len(kinds) - 0.5,
        colorscale=scale,
        showscale=False,
        text=[[groups[row]] for row in overlap.index],
        hovertemplate="%{y}: %{text}<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_heatmap(
        z=overlap.to_numpy().round(3),
        x=[name.replace("_", " ") for name in overlap.columns],
        y=names,
        colorbar_title=unit,
        hovertemplate="%{y}, %{x}: %{z}<extra></extra>",
        row=1,
        col=2,
    )
    for n, kind in enumerate(kinds):
        marker = dict(symbol="square", size=11, color=palette[n % len(palette)])
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=kind, row=1, col=2)
    figure.update_layout(title_text=title, height=170 + 15 * len(names), legend_y=1.01)
    figure.update_yaxes(autorange="reversed", dtick=1, tickfont_size=10)
    figure.update_xaxes(dtick=1, tickfont_size=10, tickangle=-90, col=2)
    figure.update_xaxes(showticklabels=False, col=1)
    return figure


def strips(table: pd.DataFrame, label: str, value: str, color: str, *, title: str, x_title: str) -> go.Figure:
    """A row of points for each ``label``, with their median: one point for each relation, fact or draw."""
    figure = go.Figure(layout_title_text=title)
    for name, part in table.groupby(label, sort=False):
        figure.add_box(
            x=part[value],
            name=name,
            boxpoints="all",
            marker=dict(size=4, color=COLORS[color]),
            line_width=1,
            jitter=0.4,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            hovertext=part["hover"] if "hover" in part else None,
            showlegend=False,
        )
    figure.update_layout(height=130 + 34 * table[label].nunique())
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(autorange="reversed", dtick=1)
    return figure
