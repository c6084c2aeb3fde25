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
import torch

from helpers.circuits.ablation import run_circuit, run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.figures.circuit import GAP, faint_nodes, picture_layout, slider
from helpers.figures.circuit_layout import arcs_of, place, spine
from helpers.figures.display import COLORS
from helpers.prompts.pairs import PromptPairs

DRAWN = 4000  # edges of a circuit that are drawn at most; more of them are a grey mass, and megabytes


def prefers_right(model, circuit: Circuit, pairs: PromptPairs) -> float:
    """The share of pairs in which a circuit's run finds the right answer likelier than the corrupt prompt's."""
    return (logit_diff(run_circuit(model, circuit, pairs), pairs) > 0).float().mean().item()


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
    logits = run_circuits(model, list(circuits.values()), pairs, "corrupt")[:, 0]
    rows = []
    for (label, circuit), chances in zip(circuits.items(), logits.softmax(-1), strict=True):
        right, wrong = (chances[ids[0]].item() for ids in (pairs.answer_ids, pairs.wrong_ids))
        rows.append((label, circuit.n_edges, right, wrong, model.tokenizer.decode([int(chances.argmax())]).strip()))
    return pd.DataFrame(rows, columns=["circuit", "edges", "right", "wrong", "said"]).set_index("circuit")


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
    fixed = [edge_trace(Circuit.full(graph), "corrupt", 0.6, 0.22, name="all edges"), faint_nodes(graph)]
    figure = go.Figure(fixed, layout=_layout(graph, title))
    for label in labels:
        group = [*kept_part(circuits[label]), answer_bars(answers.loc[label], words)]
        figure.add_traces([trace.update(visible=label == start) for trace in group])
    steps = slider(labels, len(fixed), [3] * len(labels), labels.index(start), "connections kept: ")
    rows = [[label, f"{row.right:.0%}", f"{row.wrong:.0%}", row.said] for label, row in answers.iterrows()]
    table = [["connections kept", *words, "said"], *rows]
    return figure.update_layout(title_subtitle_text=subtitle, sliders=[steps], meta={"table": table})


def edge_trace(circuit: Circuit, color: str, width: float, opacity: float, *, name: str) -> go.Scatter:
    """All edges of a circuit as one trace. Many edges are straight lines, but for those within the column at the right.

    Edges that are drawn alike are one line; of more than `DRAWN` edges, so many are drawn, chosen at random.
    """
    graph, lines = circuit.graph, {}
    for arc in arcs_of(_sample(circuit), None):
        start, _, end = arc.points
        bent = not _many(circuit) or start[0] == end[0] == spine(graph)
        lines[arc.points if bent else (start, end)] = True
    x, y = np.array([point for line in lines for point in (*line, GAP)]).reshape(-1, 2).T.round(2)
    style = dict(line=dict(color=COLORS[color], width=width, shape="spline"), opacity=opacity, name=name)
    return go.Scatter(x=x, y=y, mode="lines", showlegend=False, hoverinfo="skip", **style)


def _sample(circuit: Circuit) -> Circuit:
    if circuit.n_edges <= DRAWN:
        return circuit
    noise = torch.rand(circuit.mask.shape, generator=torch.Generator().manual_seed(0))
    places = (noise * circuit.mask).flatten().topk(DRAWN).indices
    return Circuit(circuit.graph, torch.zeros_like(circuit.mask).flatten().index_fill(0, places, True).view_as(noise))


def _many(circuit: Circuit) -> bool:
    return circuit.n_edges > circuit.graph.n_edges // 4


def kept_part(circuit: Circuit) -> list[go.Scatter]:
    """A circuit's edges and nodes in the clean prompt's colour; many edges are drawn thinner than few."""
    width, opacity = (0.6, 0.5) if _many(circuit) else (1.6, 0.85)
    used = [*circuit.nodes, "logits"]
    x, y = np.array([place(circuit.graph, name) for name in used]).T
    dots = dict(color=COLORS["clean"], size=8, line_width=0)
    nodes = go.Scatter(x=x, y=y, mode="markers", marker=dots, hovertext=used, hoverinfo="text", showlegend=False)
    return [edge_trace(circuit, "clean", width, opacity, name="kept edges"), nodes.update(name="nodes")]


def answer_bars(row: pd.Series, words: tuple[str, str]) -> go.Bar:
    """The probabilities of the two answers and of all other tokens."""
    shares = [row.right, row.wrong, max(0.0, 1 - row.right - row.wrong)]
    return go.Bar(
        x=shares,
        y=[*words, "anything else"],
        orientation="h",
        marker_color=[COLORS[name] for name in ("clean", "corrupt", "other")],
        text=[f"<b>{share:.0%}</b>" if share == max(shares) else f"{share:.0%}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        **dict(hoverinfo="skip", showlegend=False, xaxis="x2", yaxis="y2", name="answer"),
    )


def _layout(graph: Graph, title: str) -> go.Layout:
    """The model below, in rows of layers; the answers above."""
    bare = dict(showgrid=False, zeroline=False, showline=False)
    step = 1 if graph.n_layers <= 12 else 5  # more names than that would overlap
    rows = [
        "the question",
        *("" if n % step or n < step - 1 else f"layer {n}" for n in range(graph.n_layers)),
        "the answer",
    ]
    columns = dict(tickvals=[(graph.n_heads - 1) / 2, spine(graph)], ticktext=["attention heads", "MLPs"], title=None)
    layout = picture_layout(graph, arcs_of(_sample(Circuit.full(graph)), None), title)
    return layout.update(
        height=520 if step == 1 else 680,
        xaxis=columns | bare,
        yaxis=dict(ticktext=rows, domain=[0, 0.74]) | bare,
        xaxis2=dict(range=[0, 1.15], visible=False, anchor="y2"),
        yaxis2=dict(domain=[0.79, 1], autorange="reversed", anchor="x2", tickfont=dict(size=15)) | bare,
        bargap=0.25,
    )
