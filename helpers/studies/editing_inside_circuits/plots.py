"""Masks over weights: what they are made of, how edits inside them learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS
from helpers.figures.plots import Line, curves


def count_and_fraction(parts: pd.DataFrame, *, title: str) -> go.Figure:
    """Two bars for each type of weights: its part of all kept weights, and how much of the type is kept.

    Args:
        parts: columns ``type, composition, fraction`` and ``chance``, the fraction in a random mask of the same size.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    chance, one = parts.chance.iloc[0], {"showlegend": False, "row": 1}
    sides = (
        ("of all kept weights", parts.composition, "other", 0),
        ("kept of this type", parts.fraction, "mover", chance),
    )
    for column, (x_title, values, color, least) in enumerate(sides, 1):
        figure.add_bar(x=values, y=parts.type, orientation="h", marker_color=COLORS[color], col=column, **one)
        for kind, value in zip(parts.type, values, strict=True):
            text = f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"
            place = dict(x=max(value, least), y=kind, xanchor="left", row=1, col=column)  # beside the dotted line, too
            figure.add_annotation(text=text, showarrow=False, **place)
        figure.update_xaxes(title=x_title, tickformat=".0%", range=[0, 1.2], tickvals=[0, 0.5, 1], row=1, col=column)
    figure.add_vline(x=chance, line=dict(color=COLORS["relation"], dash="dot"), row=1, col=2)
    figure.update_layout(title_text=title, height=200 + 30 * len(parts))
    figure.update_yaxes(autorange="reversed")
    return figure


def losses(by_place: Mapping[str, Sequence[float]], colors: Sequence[str], *, title: str) -> go.Figure:
    """An edit's loss over its steps in several places; at the dotted line the answer has half of the probability.

    Args:
        colors: one for each place.
    """
    figure = go.Figure(layout_title_text=title)
    dashes = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
    for i, ((name, course), color) in enumerate(zip(by_place.items(), colors, strict=True)):
        line = dict(color=COLORS[color], dash=dashes[i % len(dashes)])
        figure.add_scatter(x=list(range(len(course))), y=list(course), name=name, mode="lines+markers", line=line)
    figure.add_hline(y=0.693, line=dict(color=COLORS["other"], width=1, dash="dot"))
    figure.update_xaxes(title="steps")
    figure.update_yaxes(title="loss of the new answer, nats")
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
