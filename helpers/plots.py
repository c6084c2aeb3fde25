"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from helpers.display import COLORS, INK
from helpers.evaluation import Estimate
from helpers.graph import Graph

UNREADABLE = {"<|endoftext|>": "BOS", "\ufffd": "(byte)"}  # how tokens that are no text are written
Line = tuple[Sequence[float], Sequence[float], Sequence[float]]  # middle, low end, high end


def dots(table: pd.DataFrame, label: str, colors: Mapping[str, str], *, title: str, x_title: str) -> go.Figure:
    """One row for each ``label``, one mark for each column in ``colors`` (column -> name in ``COLORS``).

    Columns are drawn as a short line, an open circle and a filled circle, in this order.
    """
    figure = go.Figure(layout_title_text=title)
    for symbol, (column, color) in zip(("line-ns-open", "circle-open", "circle"), colors.items(), strict=False):
        marker = dict(symbol=symbol, size=9, color=COLORS[color])
        figure.add_scatter(x=table[column], y=table[label], name=column, mode="markers", marker=marker)
    figure.update_layout(height=120 + 19 * len(table))
    figure.update_yaxes(dtick=1, tickfont_size=11)
    figure.update_xaxes(title=x_title, tickformat=".0%", range=[-0.03, 1.05])
    return figure


def curves(
    x: Sequence, lines: Mapping[str, Line], colors: Sequence[str], *, title: str, x_title: str, y_title: str
) -> go.Figure:
    """Lines with error bars; ``lines`` maps a name to its middle, low and high values."""
    figure = go.Figure(layout_title_text=title)
    for (name, (middle, low, high)), color in zip(lines.items(), colors, strict=True):
        up = [h - m for m, h in zip(middle, high, strict=True)]
        down = [m - lo for m, lo in zip(middle, low, strict=True)]
        bars = dict(type="data", symmetric=False, array=up, arrayminus=down)
        figure.add_scatter(x=list(x), y=list(middle), error_y=bars, name=name, line_color=COLORS[color])
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure


def estimates(
    rows: Sequence[str], marks: Mapping[str, Sequence[Estimate]], colors: Sequence[str], *, title: str, x_title: str
) -> go.Figure:
    """Estimates with their intervals: for each name in ``marks``, one mark on each of the rows, the first on top."""
    figure = go.Figure(layout_title_text=title)
    symbols = ("circle", "diamond", "x", "square")
    for symbol, (name, values), color in zip(symbols, marks.items(), colors, strict=False):
        up, down = [v.high - v for v in values], [v - v.low for v in values]
        bars = dict(type="data", symmetric=False, array=up, arrayminus=down)
        marker = dict(symbol=symbol, size=10, color=COLORS[color])
        x = [float(v) for v in values]
        figure.add_scatter(x=x, y=list(rows), error_x=bars, name=name, mode="markers", marker=marker)
    figure.update_layout(height=140 + 36 * len(rows))
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(autorange="reversed")
    return figure


def lens(pictures: Mapping[str, tuple[Tensor, list[list[str]], list[str]]], *, title: str) -> go.Figure:
    """Logit lenses with a menu; each has the answer's probability ``[stop pos]``, the likeliest words, the tokens.

    Stop 0 is the embedding, stop n the residual stream after n layers.
    """
    figure, buttons = go.Figure(layout_title_text=title), []
    for i, (label, (share, words, tokens)) in enumerate(pictures.items()):
        figure.add_heatmap(
            z=share.numpy().round(3),
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


def head_map(values: Float[Tensor, "layer head"], *, title: str, unit: str) -> go.Figure:
    """A heat map of all heads, the first layer on top."""
    figure = go.Figure(layout_title_text=title)
    figure.add_heatmap(
        z=values.numpy().round(3),
        x=[f"h{n}" for n in range(values.shape[1])],
        y=[f"layer {n}" for n in range(values.shape[0])],
        zmin=0,
        colorbar_title=unit,
    )
    figure.update_yaxes(autorange="reversed")
    return figure


def beside_chance(value: float, chance: Sequence[float], names: tuple[str, str], *, title: str, unit: str) -> go.Figure:
    """A measured value beside the same measurement of random choices; ``names`` are those of the two rows."""
    figure = go.Figure(layout_title_text=title)
    figure.add_box(x=list(chance), name=names[1], boxpoints="all", marker_color=COLORS["other"])
    marker = dict(symbol="diamond", size=13, color=COLORS["mover"])
    figure.add_scatter(x=[value], y=[names[0]], mode="markers", marker=marker)
    figure.update_layout(showlegend=False, height=260)
    figure.update_xaxes(title=unit)
    return figure


def beliefs(table: pd.DataFrame, told: str, believed: str, *, title: str, y_title: str) -> go.Figure:
    """One box for each planted share in column ``told``; diamonds mark the shares themselves."""
    figure = go.Figure(layout_title_text=title)
    for share, part in table.groupby(told):
        name = f"told {share:.0%}"
        figure.add_box(y=part[believed], name=name, marker_color=COLORS["answer"], boxpoints="all")
        figure.add_scatter(x=[name], y=[share], mode="markers", marker=dict(symbol="diamond", size=11, color=INK))
    figure.update_layout(showlegend=False)
    figure.update_yaxes(title=y_title, range=[0, 1], tickformat=".0%")
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


def table_map(table: pd.DataFrame, *, title: str, unit: str) -> go.Figure:
    """A table of shares as a heat map with its numbers in it; rows and columns are the table's."""
    figure = go.Figure(layout_title_text=title)
    figure.add_heatmap(
        z=table.to_numpy().round(3),
        x=list(table.columns),
        y=list(table.index),
        texttemplate="%{z:.2f}",
        zmin=0,
        zmax=1,
        colorbar_title=unit,
    )
    figure.update_layout(height=140 + 60 * len(table))
    figure.update_yaxes(autorange="reversed")
    return figure
