"""The answer on its way through the layers, what its neurons write, and what circuits share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS

TOKENS = {"answer": "answer", "wrong": "corrupt", "random": "other"}  # token -> its colour
PARTS = {"embedding": "sources", "attention": "readers", "MLP": "mlp"}
BELOW = dict(y=-0.14, yanchor="top")  # where a legend stands below the figure


def rank_by_layer(table: pd.DataFrame, places: Mapping[str, str], names: Mapping[str, str], *, title: str) -> go.Figure:
    """Medians and quartiles of the ranks of `answer_by_layer` (or several of them), on a logarithmic axis.

    Args:
        table: columns ``place, stop, behind, token, rank``.
        places: a panel for each place, with its heading.
        names: what each token is called in the legend.
    """
    figure = make_subplots(
        len(places), 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=list(places.values())
    )
    stops = table.drop_duplicates("stop").sort_values("stop").behind.tolist()
    for row, place in enumerate(places, 1):
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
                showlegend=row == 1,
                line=look,
                row=row,
                col=1,
            )
    figure.update_yaxes(type="log", autorange="reversed", dtick=1, title="rank", matches="y")
    figure.update_xaxes(tickangle=0, tickvals=stops[::2])
    figure.update_xaxes(title="read behind", row=len(places))
    figure.update_layout(title_text=title, height=150 + 230 * len(places), margin_t=40, legend=BELOW)
    return figure


def first_stops(table: pd.DataFrame, stops: Sequence[str], by: str, *, title: str) -> go.Figure:
    """How often each sublayer is the one behind which the answer is first: a panel for each value of ``by``.

    Args:
        table: columns ``behind, part`` of `made_first`, and ``by``.
        stops: all stops in order.
    """
    panels, named = list(dict.fromkeys(table[by])), set()
    figure = make_subplots(len(panels), 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=panels)
    for row, panel in enumerate(panels, 1):
        own = table[table[by] == panel]
        for part, color in PARTS.items():
            share = own[own.part == part].behind.value_counts() / len(own)
            y = [share.get(stop, 0.0) for stop in stops]
            if any(y):
                figure.add_bar(
                    x=list(stops),
                    y=y,
                    name=part,
                    legendgroup=part,
                    showlegend=part not in named,
                    marker_color=COLORS[color],
                    row=row,
                    col=1,
                )
                named.add(part)
    figure.update_layout(title_text=title, barmode="stack", height=150 + 160 * len(panels), margin_t=40, legend=BELOW)
    figure.update_yaxes(title="share of facts", tickformat=".0%")
    figure.update_xaxes(tickangle=0, tickvals=list(stops)[::2], categoryorder="array", categoryarray=list(stops))
    figure.update_xaxes(title="the answer is first from here on", row=len(panels))
    return figure
