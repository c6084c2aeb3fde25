"""Figures of chapter 1."""

from __future__ import annotations

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor


def head_map(values: Float[Tensor, "layer head"], *, title: str, unit: str) -> go.Figure:
    """A heat map of all heads, the first layer on top."""
    figure = go.Figure(layout_title_text=title)
    figure.add_heatmap(
        z=values.cpu().numpy().round(3),
        x=[f"h{n}" for n in range(values.shape[1])],
        y=[f"layer {n}" for n in range(values.shape[0])],
        zmin=0,
        colorbar_title=unit,
    )
    figure.update_yaxes(autorange="reversed")
    return figure
