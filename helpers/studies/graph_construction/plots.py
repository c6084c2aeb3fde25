"""Figures of chapter 2."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from torch import Tensor

from helpers.circuits.graph import Graph
from helpers.figures.display import COLORS
from helpers.figures.plots import UNREADABLE


def lens(pictures: Mapping[str, tuple[Tensor, list[list[str]], list[str]]], *, title: str) -> go.Figure:
    """Logit lenses with a menu; each has the answer's probability ``[stop pos]``, the likeliest words, the tokens.

    Stop 0 is the embedding, stop n the residual stream after n layers.
    """
    figure, buttons = go.Figure(layout_title_text=title), []
    for i, (label, (share, words, tokens)) in enumerate(pictures.items()):
        figure.add_heatmap(
            z=share.cpu().numpy().round(3),
            x=[f"{n} {token}" for n, token in enumerate(tokens)],
            y=["embedding", *(f"after layer {n}" for n in range(len(share) - 1))],
            text=[[UNREADABLE.get(word, word) for word in row] for row in words],
            texttemplate="%{text}",
            textfont_size=11,
            visible=i == 0,
            zmin=0,
            zmax=1,
            colorbar_title="P(answer)",
            hovertemplate="%{y}, %{x}: %{text}<br>P(answer) = %{z}<extra></extra>",
        )
        shown = [j == i for j in range(len(pictures))]
        buttons.append(dict(label=label, method="update", args=[{"visible": shown}]))
    menu = dict(buttons=buttons, x=0, xanchor="left", y=1.02, yanchor="bottom")
    figure.update_layout(updatemenus=[menu], height=430)
    figure.update_xaxes(title="token of the prompt", tickangle=-40)
    return figure


def edge_matrix(graph: Graph, *, title: str) -> go.Figure:
    """Who can read from whom: a row for each reader, a column for each source, the first reader on top."""
    figure = go.Figure(layout_title_text=title)
    for name, color, belongs in (
        ("heads", "readers", lambda reader: "<" in reader),
        ("MLPs", "mlp", lambda reader: reader.startswith("m")),
        ("logits", "answer", lambda reader: reader == "logits"),
    ):
        rows = zip(graph.readers, graph.edges.tolist(), strict=True)
        figure.add_heatmap(
            z=[[1 if edge and belongs(reader) else None for edge in row] for reader, row in rows],
            x=list(graph.sources),
            y=list(graph.readers),
            name=f"read by {name}",
            colorscale=[COLORS[color]] * 2,
            showscale=False,
            showlegend=True,
            hovertemplate="%{x} → %{y}<extra></extra>",
        )
    figure.update_layout(height=560)
    figure.update_xaxes(title="source", tickvals=[name for name in graph.sources if "h" not in name], tickangle=0)
    ends = [f"m{n}" for n in range(graph.n_layers - 1)]  # the last one stands too close to the logits
    figure.update_yaxes(title="reader", autorange="reversed", tickvals=[*ends, "logits"])
    return figure
