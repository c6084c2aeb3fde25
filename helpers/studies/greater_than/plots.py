"""Maps of years: what is said about the years 00 to 99 after each starting year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from helpers.figures.display import COLORS, DIVERGING, INK, SEQUENTIAL

Map = Float[Tensor, "start year"]
PANEL = 240  # pixels
ABOVE = 48  # pixels for the names of the panels, below the title
LARGEST = 0.98  # quantile of the absolute values at which colours end, so that a few cells don't hide the rest


def year_maps(
    maps: Mapping[str, Map],
    starts: Sequence[int],
    *,
    title: str,
    unit: str,
    columns: int = 2,
    signed: bool = True,
    top: float | None = None,
) -> go.Figure:
    """Maps of years side by side, one colour scale for all; the dotted line is where the year is the starting year.

    Args:
        maps: a panel for each name.
        signed: whether values go both ways from zero; otherwise zero is the palest colour.
        top: where the colours end; by default nearly at the largest value.

    Raises:
        ValueError: for no maps.
    """
    if not maps:
        raise ValueError("no maps to draw")
    rows = -(-len(maps) // columns)
    space = dict(horizontal_spacing=0.08, vertical_spacing=0.26 / rows if rows > 1 else 0)
    figure = make_subplots(rows, columns, subplot_titles=list(maps), shared_xaxes="all", shared_yaxes="all", **space)
    limit = top or max(float(m.abs().flatten().quantile(LARGEST)) for m in maps.values())
    for i, (name, values) in enumerate(maps.items()):
        at = dict(row=i // columns + 1, col=i % columns + 1)
        hover = f"{name}<br>start %{{y}}, year %{{x}}: %{{z}}<extra></extra>"
        figure.add_heatmap(z=values.numpy().round(4), y=list(starts), coloraxis="coloraxis", hovertemplate=hover, **at)
        line = dict(color=INK, width=1, dash="dot")
        ends = [min(starts), max(starts)]
        figure.add_scatter(x=ends, y=ends, mode="lines", line=line, showlegend=False, hoverinfo="skip", **at)
    scale = DIVERGING if signed else SEQUENTIAL
    axis = dict(colorscale=scale, cmin=-limit if signed else 0, cmax=limit)
    axis["colorbar"] = dict(title=dict(text=unit, font_size=13))
    figure.update_layout(title_text=title, height=110 + PANEL * rows, coloraxis=axis, margin_t=ABOVE)
    titled = [2] if columns == 3 else range(1, columns + 1)  # three titles side by side don't fit a phone
    for col in titled:
        figure.update_xaxes(row=rows, col=col, title="year that is said", title_standoff=4)
    figure.update_yaxes(col=1, title="starting year", title_standoff=4)
    return figure.update_annotations(font_size=13)


def falls(table: pd.DataFrame, places: Mapping[str, str], *, title: str, unit: str) -> go.Figure:
    """Bars for each MLP: columns ``mlp, place, ablation, fall``, a panel for each ablation, a colour for each place.

    Args:
        places: place -> name in ``COLORS``.
    """
    figure = px.bar(
        table,
        x="mlp",
        y="fall",
        color="place",
        facet_col="ablation",
        barmode="group",
        color_discrete_map={place: COLORS[color] for place, color in places.items()},
        labels={"mlp": "", "fall": unit},
        title=title,
    )
    figure.update_layout(legend=dict(y=-0.12, yanchor="top", title_text=""), margin_t=ABOVE)
    return figure.for_each_annotation(lambda a: a.update(text=f"ablation: {a.text.split('=')[-1]}"))


def halves(
    active: Float[Tensor, "neuron start"],
    said: Float[Tensor, "neuron year"],
    starts: Sequence[int],
    names: Sequence[str],
    *,
    title: str,
) -> go.Figure:
    """Neurons in two halves: the activation over the starting year, and what a unit of it adds to each year's logit."""
    headings = ["when it is active", "what it says"]
    figure = make_subplots(1, 2, subplot_titles=headings, horizontal_spacing=0.22)
    order = ("mover", "relation", "mlp", "mixture", "readers", "corrupt", "sources", "other")
    for i, name in enumerate(names):
        line = dict(color=COLORS[order[i % len(order)]], width=1.6, dash="solid" if i < len(order) else "dot")
        for col, x, y in ((1, list(starts), active[i]), (2, list(range(100)), said[i])):
            values = y.numpy().round(4)
            shown = dict(name=name, legendgroup=name, showlegend=col == 1, line=line, mode="lines")
            figure.add_scatter(x=x, y=values, row=1, col=col, **shown)
    figure.update_xaxes(title="starting year", row=1, col=1)
    figure.update_xaxes(title="year that is said", row=1, col=2)
    figure.update_yaxes(title="activation", row=1, col=1)
    figure.update_yaxes(title="logit for each unit", row=1, col=2)
    legend = dict(y=-0.25, yanchor="top")
    return figure.update_layout(title_text=title, height=460, legend=legend, margin_t=ABOVE).update_annotations(
        font_size=13
    )


def head_maps(maps: Mapping[str, Float[Tensor, "layer head"]], *, title: str, unit: str) -> go.Figure:
    """Heat maps of all heads of several models side by side, from 0 to 1, the first layer on top."""
    figure = make_subplots(1, len(maps), subplot_titles=list(maps), shared_yaxes="all", horizontal_spacing=0.06)
    for i, values in enumerate(maps.values()):
        x, y = ([f"{kind}{n}" for n in range(size)] for kind, size in (("h", values.shape[1]), ("a", values.shape[0])))
        hover = "%{y}.%{x}: %{z}<extra></extra>"
        z = values.numpy().round(3)
        figure.add_heatmap(z=z, x=x, y=y, coloraxis="coloraxis", hovertemplate=hover, row=1, col=i + 1)
    bar = dict(title=dict(text=unit, font_size=13))
    axis = dict(colorscale=SEQUENTIAL, cmin=0, cmax=1, colorbar=bar)
    figure.update_yaxes(autorange="reversed", dtick=1).update_xaxes(dtick=1, tickfont_size=10, tickangle=0)
    return figure.update_layout(title_text=title, height=360, coloraxis=axis, margin_t=ABOVE).update_annotations(
        font_size=13
    )
