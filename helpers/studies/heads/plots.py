"""How the heads of many relations are drawn: by effect and by its direct part, and all heads of a model at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.circuits.graph import head_place
from helpers.figures.display import COLORS
from helpers.studies.heads.routes import CLASSES, DIRECT, EFFECT

CLASS_COLORS = dict(zip(CLASSES, (COLORS[c] for c in ("mover", "subject", "relation", "mixture")), strict=True))
SYMBOLS = ("circle", "diamond")
FILL = 0.86  # share of a cell's width and height that is drawn
NAMED = 5  # heads whose strongest mark has their name above it


def movers(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Each mover of each relation: how much of the answer hangs on it, and how much of that it writes itself.

    Args:
        table: columns ``head, relation, class, effect_share, direct_share``; only both kinds of movers are drawn.
    """
    figure = go.Figure(layout_title_text=title)
    for symbol, kind in zip(SYMBOLS, CLASSES[:2], strict=True):
        part = table[table["class"] == kind]
        told = part["head"] + ", " + part.relation.str.replace("_", " ")
        figure.add_scatter(
            x=part.effect_share,
            y=part.direct_share.clip(-0.25, 1.35),
            mode="markers",
            name=kind,
            marker=dict(size=9, color=CLASS_COLORS[kind], symbol=symbol),
            **dict(text=told, hovertemplate="%{text}<br>effect %{x:.0%}, direct %{y:.0%}<extra></extra>"),
        )
    strong = table[table["class"].isin(CLASSES[:2])].sort_values("effect_share", ascending=False)
    strong = strong.drop_duplicates("head").head(NAMED)
    marks = dict(x=strong.effect_share, y=strong.direct_share, text=strong["head"])
    figure.add_scatter(**marks, mode="text", textposition="top center", showlegend=False, hoverinfo="skip")
    figure.add_hline(y=DIRECT, line=dict(color=COLORS["other"], dash="dash", width=1))
    marks = [EFFECT, 0.05, 0.1, 0.2, 0.5, 1]
    ticks = dict(tickvals=marks, ticktext=[f"{m:.0%}" for m in marks])
    figure.update_xaxes(title="effect, share of the logit difference", type="log", **ticks)
    figure.update_yaxes(title="part that goes straight to the logits", tickformat=".0%", range=[-0.3, 1.4])
    return figure.update_layout(height=480)


def all_heads(counts: pd.DataFrame, n_questions: int, *, title: str) -> go.Figure:
    """A cell for each head, filled by the share of questions in which it has each class.

    Args:
        counts: a row for each head, a column for each class: in how many questions it has it.
    """
    layer, x = np.array([head_place(head) for head in counts.index]).T
    base, figure = layer - FILL / 2, go.Figure(layout_title_text=title)
    told = dict(customdata=[_told(counts.loc[head], n_questions) for head in counts.index], width=FILL)
    told |= dict(hovertemplate="%{customdata}<extra></extra>", marker_line_width=0)
    empty = dict(marker_color=COLORS["other"], opacity=0.16, showlegend=False)
    figure.add_bar(x=x, y=[FILL] * len(x), base=base, **(told | empty))
    for kind in counts.columns:
        height = FILL * counts[kind].to_numpy() / n_questions
        figure.add_bar(x=x, y=height, base=base, name=kind, marker_color=CLASS_COLORS[kind], **told)
        base = base + height
    rows = [["head", *counts.columns], *counts.reset_index().to_numpy().tolist()]
    figure.update_layout(barmode="overlay", meta={"table": rows})
    return _grid(figure, list(counts.index))


def _told(row: pd.Series, n_questions: int) -> str:
    kinds = [f"{kind} in {n} of {n_questions} questions" for kind, n in row[row > 0].items()]
    return "<br>".join([f"<b>{row.name}</b>", *(kinds or ["no class in any question"])])


def _grid(figure: go.Figure, heads: Sequence[str]) -> go.Figure:
    """Give a figure whose marks stand at (head, layer) the axes of a model with these heads."""
    rows, columns = (max(part) + 1 for part in zip(*map(head_place, heads), strict=True))
    bare = dict(showgrid=False, zeroline=False)
    ticks = dict(tickvals=list(range(columns)), ticktext=[f"h{n}" for n in range(columns)], tickangle=0)
    figure.update_xaxes(title="head", range=[-0.55, columns - 0.45], **ticks, **bare)
    layers = dict(tickvals=list(range(rows)), ticktext=[f"layer {n}" for n in range(rows)])
    figure.update_yaxes(range=[-0.6, rows - 0.4], **layers, **bare)
    return figure.update_layout(height=int(170 + np.clip(480 / rows, 22, 58) * rows))
