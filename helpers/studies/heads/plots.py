"""Attention heads at one glance: their classes in one relation or in many, and how firm the classes are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from helpers.circuits.graph import head_place
from helpers.figures.display import COLORS

CLASSES = ("mover", "relation", "mixture")
FILL = 0.86  # share of a cell's width and height that is drawn


def head_overview(counts: pd.DataFrame, n: int, *, title: str) -> go.Figure:
    """In how many of ``n`` relations each head has each class: a cell for each head, filled with the classes' colours.

    Args:
        counts: a row for each head (``"a0.h1"``), a column for each class that is drawn.
    """
    places = [_place(name) for name in counts.index]
    x, layer = np.array(places).T
    base = layer - FILL / 2
    figure = go.Figure(layout_title_text=title)
    told = dict(customdata=_lines(counts, n), hovertemplate="%{customdata}<extra></extra>")
    back = dict(marker_color=COLORS["other"], opacity=0.16, width=FILL, showlegend=False)
    figure.add_bar(x=x, y=[FILL] * len(x), base=base, **back, **told)
    for name in counts.columns:
        height = FILL * counts[name].to_numpy() / n
        marker = dict(color=COLORS[name], line_width=0)
        figure.add_bar(x=x, y=height, base=base, name=name, width=FILL, marker=marker, **told)
        base = base + height
    figure.update_layout(barmode="overlay", meta={"table": _count_rows(counts)})
    return _grid(figure, places)


def _lines(counts: pd.DataFrame, n: int) -> list[str]:
    told = []
    for name, row in counts.iterrows():
        parts = [f"{kind} in {row[kind]} of {n} relations" for kind in counts.columns if row[kind]]
        told.append("<br>".join([f"<b>{name}</b>", *(parts or ["no class in any relation"])]))
    return told


def _count_rows(counts: pd.DataFrame) -> list[list]:
    return [["head", *counts.columns], *([name, *map(int, row)] for name, row in counts.iterrows())]


def head_atlas(frames: Mapping[str, pd.DataFrame], *, title: str) -> go.Figure:
    """All heads of a model by class, with a menu of relations: colour is the class, size is the strength.

    Args:
        frames: label -> table of `name_heads`; the first one is shown at first.
    """
    figure, buttons, table = go.Figure(layout_title_text=title), [], [["relation", "head", "class", "strength"]]
    kinds = (*CLASSES, "none")
    for i, (label, frame) in enumerate(frames.items()):
        for kind in kinds:
            part = frame[frame["class"] == kind]
            x, y = np.array([_place(name) for name in part["head"]]).reshape(-1, 2).T
            size = [7.0] * len(part) if kind == "none" else 10 + 24 * part.strength.clip(0, 1) ** 0.5
            color = COLORS["other" if kind == "none" else kind]
            marker = dict(size=list(size), color=color, opacity=0.5 if kind == "none" else 0.95, line_width=0)
            text = [_told(row) for _, row in part.iterrows()]
            figure.add_scatter(
                x=x, y=y, mode="markers", marker=marker, name=kind, hovertext=text, hoverinfo="text", visible=i == 0
            )
            if kind != "none":
                table += [[label, row["head"], kind, row.strength] for _, row in part.iterrows()]
        shown = [j == i for j in range(len(frames)) for _ in kinds]
        buttons.append(dict(label=label, method="update", args=[{"visible": shown}]))
    menu = dict(buttons=buttons, x=1, xanchor="right", y=1.02, yanchor="bottom")
    legend = dict(itemsizing="constant", y=-0.16, yanchor="top")
    figure.update_layout(updatemenus=[menu], legend=legend, meta={"table": table})
    return _grid(figure, [_place(name) for name in next(iter(frames.values()))["head"]])


def _told(row: pd.Series) -> str:
    return (
        f"<b>{row['head']}</b>, {row['class']}<br>looks at the subject {row.to_subject:.2f}, "
        f"at the other words {row.to_relation:.2f}<br>brings from the subject {row.from_subject_answer:+.2f} "
        f"of the answer's logit,<br>from the other words {row.from_relation_type:+.2f} of the type's"
        f"<br>effect of what it brings {row.effect_from_subject:+.2f} of {row.model_diff:.1f} logits"
    )


def _place(name: str) -> tuple[int, int]:
    """Column and row of a head: ``"a2.h5"`` stands at (5, 2)."""
    layer, head = head_place(name)
    return head, layer


def _grid(figure: go.Figure, places: list[tuple[int, int]]) -> go.Figure:
    columns, rows = (max(part) + 1 for part in zip(*places, strict=True))
    bare = dict(showgrid=False, zeroline=False)
    step = 1 + (columns - 1) // 16
    heads = list(range(0, columns, step))
    ticks = dict(tickvals=heads, ticktext=[f"h{n}" for n in heads], tickangle=0)
    figure.update_xaxes(title="head", range=[-0.55, columns - 0.45], **ticks, **bare)
    layers = dict(tickvals=list(range(rows)), ticktext=[f"layer {n}" for n in range(rows)])
    figure.update_yaxes(range=[-0.6, rows - 0.4], **layers, **bare)
    return figure.update_layout(height=int(170 + np.clip(480 / rows, 22, 58) * rows))


def sensitivity(table: pd.DataFrame, *, title: str) -> go.Figure:
    """Heads in each class as one threshold is scaled: columns ``threshold, times, class, heads``, a panel each."""
    figure = px.line(
        table,
        x="times",
        y="heads",
        color="class",
        facet_col="threshold",
        facet_col_wrap=2,
        facet_row_spacing=0.16,
        markers=True,
        log_x=True,
        color_discrete_map={name: COLORS[name] for name in CLASSES},
        labels={"times": "times its default", "heads": "heads in a relation"},
        title=title,
    )
    values = sorted(table.times.unique())
    figure.update_xaxes(tickvals=values, ticktext=[f"{v:g}" for v in values], showticklabels=True)
    figure.update_layout(height=580, margin_t=80, legend=dict(title_text="", y=1.09))
    return figure.for_each_annotation(lambda a: a.update(text=a.text.split("=")[-1]))


def looks_and_acts(frame: pd.DataFrame, *, title: str) -> go.Figure:
    """Each head by its attention to the subject and by what cutting that path costs, coloured by class."""
    table = frame.assign(shown=frame.effect_from_subject.clip(lower=0.01))
    figure = px.scatter(
        table,
        x="to_subject",
        y="shown",
        color="class",
        hover_name="head",
        log_y=True,
        color_discrete_map={name: COLORS[name] for name in CLASSES} | {"none": COLORS["other"]},
        category_orders={"class": [*CLASSES, "none"]},
        labels={"to_subject": "attention from the last token to the subject", "shown": "effect in logits"},
        title=title,
    )
    named = table[table["class"] == "mover"].sort_values("shown", ascending=False)
    beside = ["top left", "bottom left", "middle left", "top center"]  # neighbours keep off each other
    figure.add_scatter(
        x=named.to_subject,
        y=named.shown,
        text=[f"{name}\u2002" for name in named["head"]],
        mode="text",
        textposition=[beside[i % 4] for i in range(len(named))],
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_traces(marker_size=10, selector=dict(mode="markers"))
    figure.update_layout(legend_title_text="")
    figure.update_yaxes(tickvals=[0.01, 0.1, 1, 10], ticktext=["0.01 or less", "0.1", "1", "10"])
    return figure
