"""All heads of a model at one glance: a row for each layer, heads by number, colours for classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.circuits.graph import head_place
from helpers.figures.display import COLORS

CLASS_COLORS = {name: COLORS[name] for name in ("mover", "relation", "mixture")} | {"none": COLORS["other"]}
FILL = 0.86  # share of a cell's width and height that is drawn


def head_atlas(frames: Mapping[str, pd.DataFrame], *, title: str) -> go.Figure:
    """All heads of a model by class, with a menu of relations: colour is the class, size is the strength.

    Args:
        frames: label -> table of `name_heads`; the first one is shown at first.
    """
    figure, buttons, table = go.Figure(layout_title_text=title), [], [["relation", "head", "class", "strength"]]
    for i, (label, frame) in enumerate(frames.items()):
        for kind, color in CLASS_COLORS.items():
            part = frame[frame["class"] == kind]
            y, x = np.array([head_place(name) for name in part["head"]]).reshape(-1, 2).T
            size = [7.0] * len(part) if kind == "none" else 10 + 24 * part.strength.clip(0, 1) ** 0.5
            marker = dict(size=list(size), color=color, opacity=0.5 if kind == "none" else 0.95, line_width=0)
            text = [_told(row) for _, row in part.iterrows()]
            figure.add_scatter(
                x=x, y=y, mode="markers", marker=marker, name=kind, hovertext=text, hoverinfo="text", visible=i == 0
            )
            if kind != "none":
                table += [[label, row["head"], kind, row.strength] for _, row in part.iterrows()]
        shown = [j == i for j in range(len(frames)) for _ in CLASS_COLORS]
        buttons.append(dict(label=label, method="update", args=[{"visible": shown}]))
    menu = dict(buttons=buttons, x=1, xanchor="right", y=1.02, yanchor="bottom")
    legend = dict(itemsizing="constant", y=-0.16, yanchor="top")
    figure.update_layout(updatemenus=[menu], legend=legend, meta={"table": table})
    return grid(figure, next(iter(frames.values()))["head"])


def _told(row: pd.Series) -> str:
    return (
        f"<b>{row['head']}</b>, {row['class']}<br>looks at the subject {row.to_subject:.2f}, "
        f"at the other words {row.to_relation:.2f}<br>brings from the subject {row.from_subject_answer:+.2f} "
        f"of the answer's logit,<br>from the other words {row.from_relation_type:+.2f} of the type's"
        f"<br>effect of what it brings {row.effect_from_subject:+.2f} of {row.model_diff:.1f} logits"
    )


def grid(figure: go.Figure, heads: Iterable[str]) -> go.Figure:
    """Give a figure whose marks stand at (head, layer) the axes of a model with these heads."""
    rows, columns = (max(part) + 1 for part in zip(*map(head_place, heads), strict=True))
    bare = dict(showgrid=False, zeroline=False)
    shown = list(range(0, columns, 1 + (columns - 1) // 16))
    ticks = dict(tickvals=shown, ticktext=[f"h{n}" for n in shown], tickangle=0)
    figure.update_xaxes(title="head", range=[-0.55, columns - 0.45], **ticks, **bare)
    layers = dict(tickvals=list(range(rows)), ticktext=[f"layer {n}" for n in range(rows)])
    figure.update_yaxes(range=[-0.6, rows - 0.4], **layers, **bare)
    return figure.update_layout(height=int(170 + np.clip(480 / rows, 22, 58) * rows))
