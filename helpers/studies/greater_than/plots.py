"""Maps of years: what is said about each year, or each digit, after each starting year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from helpers.figures.display import DIVERGING, INK, SEQUENTIAL

Map = Float[Tensor, "start year"]
PANEL = 240  # pixels
BETWEEN = 46  # pixels for a panel's name
ABOVE = 48  # pixels for the names of the panels, below the title
LARGEST = 0.98  # quantile of the absolute values at which colours end, so that a few cells don't hide the rest
YEARS, DIGITS = ("year that is said", "starting year"), ("next digit", "starting decade")  # names of the axes


def year_maps(
    maps: Mapping[str, Map],
    starts: Sequence[int],
    *,
    title: str,
    unit: str,
    axes: tuple[str, str] = YEARS,
    signed: bool = True,
) -> go.Figure:
    """Maps of years, one below the other, so that a phone shows them; the dotted line is the starting year.

    Args:
        maps: a panel for each name, with one colour scale for all.
        axes: the names of the columns and of the rows.
        signed: whether values go both ways from zero; otherwise zero is the palest colour.

    Raises:
        ValueError: for no maps.
    """
    if not maps:
        raise ValueError("no maps to draw")
    height = PANEL * len(maps) + BETWEEN * (len(maps) - 1)
    figure = make_subplots(
        len(maps), 1, subplot_titles=list(maps), shared_xaxes="all", vertical_spacing=BETWEEN / height
    )
    limit = max(float(m.abs().flatten().quantile(LARGEST)) for m in maps.values())
    for row, (name, values) in enumerate(maps.items(), 1):
        hover = f"{name}<br>{axes[1]} %{{y}}, {axes[0]} %{{x}}: %{{z}}<extra></extra>"
        look = dict(coloraxis="coloraxis", hovertemplate=hover)
        figure.add_heatmap(z=values.numpy().round(4), y=list(starts), **look, row=row, col=1)
        line = dict(color=INK, width=1, dash="dot")
        ends = [min(starts), max(starts)]
        plain = dict(mode="lines", line=line, showlegend=False, hoverinfo="skip")
        figure.add_scatter(x=ends, y=ends, **plain, row=row, col=1)
    scale = DIVERGING if signed else SEQUENTIAL
    axis = dict(colorscale=scale, cmin=-limit if signed else 0, cmax=limit)
    axis["colorbar"] = dict(title=dict(text=unit, font_size=13))
    figure.update_layout(title_text=title, height=110 + height, coloraxis=axis, margin_t=ABOVE)
    figure.update_xaxes(row=len(maps), title=axes[0], title_standoff=4)
    figure.update_yaxes(title=axes[1], title_standoff=4)
    if axes == DIGITS:
        figure.update_xaxes(dtick=1).update_yaxes(dtick=1)
    return figure.update_annotations(font_size=13)
