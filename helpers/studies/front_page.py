"""What a model answers while its circuit gets smaller: two questions at once, one in the circuit, one everywhere else.

A cut edge carries what it would carry after the corrupt prompt. So a run of a circuit asks two questions: the kept
edges hear the clean prompt, all others the corrupt one. The picture shows both, in the colours of the two prompts, and
which of the two answers comes out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.circuits.ablation import run_circuit
from helpers.circuits.graph import Circuit, Graph
from helpers.figures.circuit import GAP, faint_nodes
from helpers.figures.circuit_layout import Arc, Point, arcs_of, place, spine
from helpers.figures.display import COLORS
from helpers.prompts.pairs import PromptPairs

BARS = (0.79, 1.0)  # the part of the drawing's height for the answers; the model takes what lies below
DRAWING = (0.0, 0.74)
HEIGHT = 520


def answers_kept(model, circuits: Mapping[str, Circuit], pairs: PromptPairs) -> pd.DataFrame:
    """What each circuit answers to one pair's question, cut edges carrying the corrupt prompt.

    Returns:
        One row for each label, with its number of ``edges``, the probabilities of the ``right`` answer and of the
        corrupt prompt's, ``wrong``, and the likeliest token as the model ``said`` it, without spaces.

    Raises:
        ValueError: for another number of pairs than one.
    """
    if len(pairs.clean) != 1:
        raise ValueError(f"one pair is shown, not {len(pairs.clean)}: choose it with pairs.select([number])")
    rows = []
    for label, circuit in circuits.items():
        chances = run_circuit(model, circuit, pairs)[0].softmax(-1)
        rows.append(
            {
                "circuit": label,
                "edges": circuit.n_edges,
                "right": chances[pairs.answer_ids[0]].item(),
                "wrong": chances[pairs.wrong_ids[0]].item(),
                "said": model.tokenizer.decode([int(chances.argmax())]).strip(),
            }
        )
    return pd.DataFrame(rows).set_index("circuit")


def thinning_picture(
    circuits: Mapping[str, Circuit], answers: pd.DataFrame, pairs: PromptPairs, *, start: str, title: str, subtitle: str
) -> go.Figure:
    """Draw circuits of falling size over the whole model, with the answers above; a slider chooses the circuit.

    Args:
        circuits: the slider's labels and their circuits, all of one graph.
        answers: `answers_kept` of these circuits.
        pairs: the one pair that was asked.
        start: the label that is shown at first.
        title, subtitle: the finding, and what it stands beside.

    Raises:
        ValueError: if ``answers`` has other labels than ``circuits``, or ``start`` is none of them.
    """
    labels = list(circuits)
    if list(answers.index) != labels:
        raise ValueError("answers and circuits have different labels: take answers_kept of these circuits")
    if start not in circuits:
        raise ValueError(f"start is {start!r}; choose one of {', '.join(labels)}")
    graph = circuits[start].graph
    words = pairs.answers[0].strip(), pairs.wrong[0].strip()
    fixed = [whole_model(graph), faint_nodes(graph)]
    groups = [[*kept_lines(circuits[label]), answer_bars(answers.loc[label], words)] for label in labels]
    for label, group in zip(labels, groups, strict=True):
        for trace in group:
            trace.visible = label == start
    figure = go.Figure([*fixed, *(trace for group in groups for trace in group)], layout=_layout(graph, title))
    figure.update_layout(title_subtitle_text=subtitle, sliders=[_slider(circuits, len(fixed), labels.index(start))])
    return figure.update_layout(meta={"table": _table(answers, words)})


def _joined(lines: list[tuple[Point, ...]]) -> dict:
    """The coordinates of several lines as one trace's."""
    x, y = np.array([point for line in lines for point in (*line, GAP)]).reshape(-1, 2).T.round(2)
    return dict(x=x, y=y, mode="lines", showlegend=False, hoverinfo="skip")


def _path(arc: Arc, graph: Graph) -> tuple[Point, ...]:
    """An edge's points; a straight line but for what runs within the column at the right."""
    ends = arc.points[0], arc.points[2]
    return arc.points if all(x == spine(graph) for x, _ in ends) else ends


def whole_model(graph: Graph) -> go.Scatter:
    """All edges of the model as a faint cloud in the corrupt prompt's colour; those with the same ends are one line."""
    lines = list(dict.fromkeys(_path(arc, graph) for arc in arcs_of(Circuit.full(graph), None)))
    line = dict(color=COLORS["corrupt"], width=0.6, shape="spline")
    return go.Scatter(**_joined(lines), line=line, opacity=0.22, name="all edges")


def kept_lines(circuit: Circuit) -> list[go.Scatter]:
    """A circuit's edges and nodes in the clean prompt's colour; many edges are drawn thinner than few."""
    graph = circuit.graph
    arcs = arcs_of(circuit, None)
    many = circuit.n_edges > graph.n_edges // 4
    lines = [arc.points for arc in arcs] if not many else [_path(arc, graph) for arc in arcs]
    look = dict(color=COLORS["clean"], width=0.6 if many else 1.6, shape="spline")
    edges = go.Scatter(
        **_joined(list(dict.fromkeys(lines))), line=look, opacity=0.5 if many else 0.85, name="kept edges"
    )
    used = [*circuit.nodes, "logits"]
    x, y = np.array([place(graph, name) for name in used]).T
    dots = dict(color=COLORS["clean"], size=8, line_width=0)
    nodes = go.Scatter(x=x, y=y, mode="markers", marker=dots, hovertext=used, hoverinfo="text", showlegend=False)
    return [edges, nodes.update(name="nodes")]


def answer_bars(row: pd.Series, words: tuple[str, str]) -> go.Bar:
    """The probabilities of the two answers and of all other tokens."""
    shares = [row.right, row.wrong, max(0.0, 1 - row.right - row.wrong)]
    names = [*words, "anything else"]
    return go.Bar(
        x=shares,
        y=names,
        orientation="h",
        marker_color=[COLORS[name] for name in ("clean", "corrupt", "other")],
        text=[f"<b>{share:.0%}</b>" if share == max(shares) else f"{share:.0%}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
        xaxis="x2",
        yaxis="y2",
        name="answer",
    )


def _layout(graph: Graph, title: str) -> go.Layout:
    bare = dict(showgrid=False, zeroline=False, showline=False)
    names = ["the question", *(f"layer {n}" for n in range(graph.n_layers)), "the answer"]
    rows = dict(tickvals=list(range(-1, graph.n_layers + 1)), ticktext=names, range=[-1.4, graph.n_layers + 0.4])
    widest = max(x for arc in arcs_of(Circuit.full(graph), None) for x, _ in arc.points)
    columns = dict(tickvals=[(graph.n_heads - 1) / 2, spine(graph)], ticktext=["attention heads", "MLPs"])
    return go.Layout(
        title=title,
        height=HEIGHT,
        dragmode=False,
        xaxis=columns | dict(range=[-0.6, widest + 0.2], tickangle=0) | bare,
        yaxis=rows | dict(domain=DRAWING) | bare,
        xaxis2=dict(range=[0, 1.15], visible=False, anchor="y2"),
        yaxis2=dict(domain=BARS, autorange="reversed", anchor="x2", tickfont=dict(size=15)) | bare,
        bargap=0.25,
    )


def _slider(circuits: Mapping[str, Circuit], fixed: int, active: int) -> dict:
    """Each step shows what is always there, and the edges, the nodes and the answers of its own circuit."""
    steps = []
    for chosen, label in enumerate(circuits):
        own = [number == chosen for number in range(len(circuits)) for _ in range(3)]
        steps.append(dict(label=label, method="restyle", args=[{"visible": [True] * fixed + own}]))
    return dict(steps=steps, active=active, pad=dict(t=40, l=16, r=36), currentvalue=dict(prefix="connections kept: "))


def _table(answers: pd.DataFrame, words: tuple[str, str]) -> list[list]:
    rows = [[label, f"{row.right:.0%}", f"{row.wrong:.0%}", row.said] for label, row in answers.iterrows()]
    return [["connections kept", *words, "said"], *rows]
