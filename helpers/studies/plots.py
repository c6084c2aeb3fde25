"""Figures that several chapters draw: the caller gives numbers and the finding, these give the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.display import COLORS
from helpers.statistics import Estimate

SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
LINE_COLORS = ("mover", "relation", "mlp", "mixture", "readers")

# The middle, the low end and the high end of each point; or its estimate.
Line = tuple[Sequence[float], Sequence[float], Sequence[float]] | Sequence[Estimate]


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
    """Lines with error bars; ``lines`` maps a name to estimates, or to its middle, low and high values."""
    figure = go.Figure(layout_title_text=title)
    for (name, line), color in zip(lines.items(), colors, strict=True):
        middle, bars = _with_bars(line)
        figure.add_scatter(x=list(x), y=middle, error_y=bars, name=name, line_color=COLORS[color])
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title)
    return figure


def _with_bars(line: Line) -> tuple[list[float], dict]:
    """The middle of each point, and plotly's error bars from its low to its high end."""
    ends = zip(*(e.row() for e in line), strict=True) if isinstance(line[0], Estimate) else line
    middle, low, high = map(list, ends)
    up, down = ([a - b for a, b in zip(*two, strict=True)] for two in ((high, middle), (middle, low)))
    return middle, dict(type="data", symmetric=False, array=up, arrayminus=down)


def estimates(
    rows: Sequence[str], marks: Mapping[str, Sequence[Estimate]], colors: Sequence[str], *, title: str, x_title: str
) -> go.Figure:
    """Estimates with their intervals: for each name in ``marks``, one mark on each of the rows, the first on top."""
    figure = go.Figure(layout_title_text=title)
    symbols = ("circle", "diamond", "x", "square")
    for symbol, (name, values), color in zip(symbols, marks.items(), colors, strict=False):
        x, bars = _with_bars(values)
        marker = dict(symbol=symbol, size=10, color=COLORS[color])
        figure.add_scatter(x=x, y=list(rows), error_x=bars, name=name, mode="markers", marker=marker, orientation="h")
    figure.update_layout(height=140 + 44 * len(rows), scattermode="group", scattergap=0.5)
    drawn = [value for values in marks.values() for value in values]
    low, high = min(value.low for value in drawn), max(value.high for value in drawn)
    room = 0.05 * (high - low)  # or a mark at the end is cut in two
    figure.update_xaxes(title=x_title, range=[low - room, high + room] if room else None)
    figure.update_yaxes(autorange="reversed")
    return figure


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


def stacked_shares(table: pd.DataFrame, colors: Mapping[str, str], *, title: str, x_title: str) -> go.Figure:
    """One bar for each row, cut into shares: the columns in the order of ``colors`` (column -> name in ``COLORS``)."""
    figure = go.Figure(layout_title_text=title)
    for column, color in colors.items():
        shares = table[column].round(3) if column in table else pd.Series(0.0, index=table.index)
        figure.add_bar(x=shares, y=list(table.index), name=column, orientation="h", marker_color=COLORS[color])
    figure.update_layout(barmode="stack", height=150 + 34 * len(table), legend=dict(traceorder="normal"))
    figure.update_xaxes(title=x_title, tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure


def clustered(overlap: pd.DataFrame, groups: Mapping[str, str], *, title: str, unit: str) -> go.Figure:
    """A square table as a heat map, in the order it is given, beside a strip that tells each row's group.

    Its width is fixed, so that on a narrow page it scrolls instead of shrinking until no name can be read.

    Args:
        groups: the group of each row, and of others: a group keeps its colour when some rows are left out.
    """
    names = [name.replace("_", " ") for name in overlap.index]
    kinds = list(dict.fromkeys(groups[row] for row in sorted(groups)))
    palette = [COLORS[c] for c in (*LINE_COLORS, "other")]
    figure = make_subplots(rows=1, cols=2, column_widths=[0.025, 0.975], horizontal_spacing=0.008, shared_yaxes=True)
    colors = [palette[n % len(palette)] for n in range(len(kinds))]
    scale = [((n + end) / len(kinds), color) for n, color in enumerate(colors) for end in (0, 1)]
    figure.add_heatmap(
        z=[[kinds.index(groups[row])] for row in overlap.index],
        **dict(x=["group"], y=names, zmin=-0.5, zmax=len(kinds) - 0.5, colorscale=scale, showscale=False),
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
    present = {groups[row] for row in overlap.index}
    for kind, color in zip(kinds, colors, strict=True):
        if kind in present:
            marker = dict(symbol="square", size=11, color=color)
            figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=kind, row=1, col=2)
    cell, font = (15, 10.5) if len(names) > 20 else (28, 12)
    size = dict(width=min(780, 290 + cell * len(names)), height=200 + cell * len(names), autosize=False)
    figure.update_layout(title_text=title, legend_y=1.01, **size)
    figure.update_yaxes(autorange="reversed", dtick=1, tickfont_size=font)
    figure.update_xaxes(dtick=1, tickfont_size=font, tickangle=-90, col=2)
    figure.update_xaxes(showticklabels=False, col=1)
    return figure


def strips(table: pd.DataFrame, label: str, value: str, color: str, *, title: str, x_title: str) -> go.Figure:
    """A row of points for each ``label``, with their median: one point for each relation, fact or draw."""
    figure = go.Figure(layout_title_text=title)
    for name, part in table.groupby(label, sort=False):
        figure.add_box(
            x=part[value],
            name=name.replace(", ", ",<br>"),  # long labels leave no room on a narrow page
            boxpoints="all",
            marker=dict(size=4, color=COLORS[color]),
            line_width=1,
            **dict(jitter=0.4, pointpos=0, fillcolor="rgba(0,0,0,0)"),
            hovertext=part["hover"] if "hover" in part else None,
            showlegend=False,
        )
    figure.update_layout(height=130 + 34 * table[label].nunique())
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(autorange="reversed", dtick=1)
    return figure


def panels(figure: go.Figure) -> go.Figure:
    """Head the panels of a plotly express figure with their values alone: "mean" instead of "ablation=mean"."""
    return figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))


def heads_on_axes(
    table: pd.DataFrame, x: str, y: str, colors: Mapping[str, str], *, title: str, labels: Mapping[str, str]
) -> go.Figure:
    """One mark for each head at two measured values: columns ``head, class, model`` and ``x, y``.

    Args:
        colors: class -> name in ``COLORS``; other classes are drawn as ``"other"``. One panel for each ``model``.
    """
    figure = px.scatter(
        table,
        x=x,
        y=y,
        color="class",
        symbol="class",
        facet_col="model",
        hover_name="head",
        color_discrete_map={name: COLORS[colors.get(name, "other")] for name in table["class"].unique()},
        labels=dict(labels),
        title=title,
    )
    figure.update_traces(marker_size=9)
    figure.update_layout(legend=dict(title_text="", y=1.1))  # above the names of the panels
    return panels(figure)


def formation(
    table: pd.DataFrame, colors: Mapping[str, str], *, title: str, y_title: str, formed: tuple[float, float]
) -> go.Figure:
    """Shares over training steps on a logarithmic axis: column ``step``, and one line for each column in ``colors``.

    Args:
        formed: the two steps between which the change falls; the strip between them is shaded.
    """
    figure = go.Figure(layout_title_text=title)
    figure.add_vrect(*formed, fillcolor=COLORS["other"], opacity=0.15, line_width=0, layer="below")
    for symbol, dash, (name, color) in zip(SYMBOLS, DASHES, colors.items(), strict=False):
        style = dict(line=dict(color=COLORS[color], dash=dash), marker=dict(symbol=symbol, size=9))
        figure.add_scatter(x=table.step, y=table[name], name=name, mode="lines+markers", **style)
    figure.update_xaxes(title="training step", type="log", tickvals=table.step, ticktext=[f"{s:,}" for s in table.step])
    figure.update_yaxes(title=y_title, range=[-0.03, 1.05])
    return figure


def by_layer(
    layers: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    title: str,
    y_title: str,
    dotted: Sequence[str] = (),
    level: float | None = None,
) -> go.Figure:
    """Lines over the layers, in a panel for each place; the same line has the same colour in all panels.

    Args:
        dotted: names of the lines that are dotted.
        level: a grey dashed line at this height in all panels: what would be reached by doing nothing.

    Raises:
        ValueError: for more lines than there are colours.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    if len(names) > len(LINE_COLORS):
        raise ValueError(f"{len(names)} lines are too many for one figure; give at most {len(LINE_COLORS)}")
    colors = dict(zip(names, LINE_COLORS, strict=False))
    figure = make_subplots(len(panels), 1, subplot_titles=list(panels), shared_xaxes=True, vertical_spacing=0.12)
    for row, lines in enumerate(panels.values(), 1):
        for name, values in lines.items():
            figure.add_scatter(
                x=list(layers),
                y=list(values),
                **dict(name=name, legendgroup=name, showlegend=row == 1, mode="lines+markers"),
                marker_symbol=SYMBOLS[names.index(name)],
                line=dict(color=COLORS[colors[name]], dash="dot" if name in dotted else "solid"),
                row=row,
                col=1,
            )
    if level is not None:
        figure.add_hline(y=level, line=dict(color=COLORS["other"], dash="dash", width=1), row="all", col=1)
    figure.update_xaxes(title="layer", dtick=1, row=len(panels))
    figure.update_yaxes(title=y_title, range=[-0.08, 1.08])
    legend = dict(orientation="v", y=-0.15, yanchor="top")
    return figure.update_layout(title_text=title, height=180 + 220 * len(panels), margin_t=72, legend=legend)
