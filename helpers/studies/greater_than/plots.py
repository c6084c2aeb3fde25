"""Maps of years: what is said about the years 00 to 99 after each starting year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from helpers.figures.display import DIVERGING, INK, SEQUENTIAL

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
) -> go.Figure:
    """Maps of years side by side, one colour scale for all; the dotted line is where the year is the starting year.

    Args:
        maps: a panel for each name.
        signed: whether values go both ways from zero; otherwise zero is the palest colour.

    Raises:
        ValueError: for no maps.
    """
    if not maps:
        raise ValueError("no maps to draw")
    rows = -(-len(maps) // columns)
    space = dict(horizontal_spacing=0.08, vertical_spacing=0.26 / rows if rows > 1 else 0)
    figure = make_subplots(rows, columns, subplot_titles=list(maps), shared_xaxes="all", shared_yaxes="all", **space)
    limit = max(float(m.abs().flatten().quantile(LARGEST)) for m in maps.values())
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
