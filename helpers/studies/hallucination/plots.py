"""Wrong answers: what is said in each case, how a right answer is passed, and how well failures are foreseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from sklearn.metrics import roc_curve

from helpers.figures.display import COLORS, INK


def passed(paths: pd.DataFrame, names: tuple[str, str], *, title: str) -> go.Figure:
    """One question, stop by stop: how far the answer is ahead of its rival, and what each sublayer adds to that.

    Args:
        paths: of `answer_paths`, of one question.
        names: the answer and the rival.
    """
    figure = go.Figure(layout_title_text=title)
    for part, color in (("embedding", "other"), ("attention", "mover"), ("MLP", "mlp")):
        own = paths[paths.part == part]
        figure.add_bar(x=own.behind, y=own.added, name=f"added by {part}", marker_color=COLORS[color], opacity=0.7)
    line = dict(color=INK, width=2)
    figure.add_scatter(x=paths.behind, y=paths.gap, name="lead, read there", line=line, mode="lines+markers")
    figure.update_xaxes(title="behind which part", type="category", categoryarray=list(paths.behind))
    figure.update_yaxes(title=f"{names[0]} minus {names[1]}, logits")
    return figure


def roc(
    foreseen: pd.DataFrame, signs: Mapping[str, str], colors: Sequence[str], *, right: str = "right", title: str
) -> go.Figure:
    """ROC curves of several predictions of a right answer, and the diagonal of guessing.

    Args:
        foreseen: a boolean column ``right`` and a column of scores for each prediction.
        signs: column -> name in the legend.
    """
    figure = go.Figure(layout_title_text=title)
    for (column, name), color in zip(signs.items(), colors, strict=True):
        false, true, _ = roc_curve(foreseen[right], foreseen[column])
        figure.add_scatter(x=false, y=true, name=name, mode="lines", line=dict(color=COLORS[color], width=2.5))
    dotted = dict(color=INK, width=1, dash="dot")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="guessing", mode="lines", line=dotted)
    figure.update_xaxes(title="wrong answers trusted", tickformat=".0%")
    figure.update_yaxes(title="right answers trusted", tickformat=".0%")
    return figure
