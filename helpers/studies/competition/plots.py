"""Contests between circuits: foreseen and measured, over exposure, and over what was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.figures.display import COLORS, INK


def predicted_against_measured(table: pd.DataFrame, names: tuple[str, str], *, title: str) -> go.Figure:
    """Measured over predicted logit differences: a dot for each contest, in the colour of its winner.

    Args:
        table: columns ``predicted, measured``, positive where the first answer wins.
        names: of the first and the second answer.
    """
    figure = go.Figure(layout_title_text=title)
    won = table.measured > 0
    marks = ((won, names[0], "mover", "circle"), (~won, names[1], "relation", "diamond"))
    for rows, name, color, symbol in marks:
        part, marker = table[rows], dict(color=COLORS[color], size=8, symbol=symbol, opacity=0.75)
        figure.add_scatter(x=part.predicted, y=part.measured, mode="markers", name=f"{name} wins", marker=marker)
    ends = [min(table.predicted.min(), table.measured.min()), max(table.predicted.max(), table.measured.max())]
    line = dict(color=INK, width=1, dash="dot")
    figure.add_scatter(x=ends, y=ends, mode="lines", line=line, name="as foreseen")
    figure.update_xaxes(title=f"foreseen: {names[0]} minus {names[1]}, logits")
    figure.update_yaxes(title="measured, logits")
    return figure


def by_group(
    table: pd.DataFrame,
    group: str,
    columns: Mapping[str, str],
    colors: Sequence[str],
    *,
    title: str,
    axes: Sequence[str],
) -> go.Figure:
    """Boxes of several columns side by side, for each value of ``group``.

    Args:
        columns: the columns to draw and their names in the legend.
        axes: the titles of the two axes.
    """
    figure = go.Figure(layout_title_text=title)
    for (column, name), color in zip(columns.items(), colors, strict=True):
        figure.add_box(
            x=table[group].astype(str), y=table[column], name=name, marker_color=COLORS[color], boxpoints=False
        )
    figure.update_layout(boxmode="group")
    figure.update_xaxes(title=axes[0], type="category")
    figure.update_yaxes(title=axes[1])
    return figure


def told_gap(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Logit gaps between two conflicting answers over the share told, beside the log odds of that share.

    Args:
        table: columns ``told`` (share of the first answer) and ``gap`` (its logit minus the other's).
    """
    figure = by_group(
        table.sort_values("told").assign(share=[f"{told:.0%}" for told in sorted(table.told)]),
        "share",
        {"gap": "measured"},
        ["answer"],
        title=title,
        axes=("share of the sentences that told the first answer", "first minus second answer, logits"),
    )
    shares = np.array(sorted(table.told.unique()))
    marker = dict(symbol="diamond", size=11, color=INK)
    odds = np.log(shares / (1 - shares))
    figure.add_scatter(
        x=[f"{s:.0%}" for s in shares], y=odds, mode="markers", name="log odds of what was told", marker=marker
    )
    return figure


def win_shares(table: pd.DataFrame, names: tuple[str, str], *, title: str, x_title: str) -> go.Figure:
    """Who wins, as stacked bars that add up to all contests: columns ``first, neither, second``, a bar for each row."""
    figure = go.Figure(layout_title_text=title)
    bars = (("first", names[0], "mover"), ("neither", "neither", "other"), ("second", names[1], "relation"))
    for column, name, color in bars:
        x, y = [str(label) for label in table.index], table[column].round(3)
        figure.add_bar(x=x, y=y, name=f"{name} wins", marker_color=COLORS[color])
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title=x_title, type="category")
    figure.update_yaxes(title="share of the contests", tickformat=".0%")
    return figure
