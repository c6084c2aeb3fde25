"""A circuit as a picture: layers as rows, what each edge carries as a colour, its score as its width.

`circuit_picture` draws one circuit, or several of growing size with a slider; `written_words` finds what nodes write.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from helpers.checks import Amount, checked
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.scores import Scores
from helpers.figures.circuit_layout import (
    Arc,
    Point,
    arcs_of,
    class_legend,
    entry,
    named_heads,
    node_marks,
    place,
    spine,
)
from helpers.figures.display import COLORS, INK, UNREADABLE

# How a reader reads: name in the legend and in COLORS. These five can be told apart with any colour vision.
KINDS = {
    "q": ("query", "mixture"),
    "k": ("key", "relation"),
    "v": ("value", "mover"),
    "mlp": ("MLP", "mlp"),
    "logits": ("logits", "other"),
}
Kinds = Mapping[str, tuple[str, str]]
WIDTHS = (1.0, 1.7, 2.8, 4.5)  # a line has one of few widths, so that a picture needs few traces
FAINTEST, STRONGEST = 0.65, 0.95
GAP = (np.nan, np.nan)


@checked
def circuit_series(scores: Scores, sizes: Sequence[Amount] = (10, 20, 50, 100)) -> dict[str, Circuit]:
    """Circuits of several sizes, grown from the logits, labelled for `circuit_picture`: ``{"10 edges": ..., ...}``.

    Raises:
        ValueError: for a size that the graph doesn't have.
    """
    return {f"{n} edge{'s' * (n != 1)}": scores.greedy(n) for n in sizes}


@checked
def circuit_picture(
    circuits: Circuit | Mapping[str, Circuit],
    *,
    title: str,
    scores: Scores | None = None,
    words: Mapping[str, Sequence[str]] | None = None,
    classes: Mapping[str, str] | None = None,
) -> go.Figure:
    """Draw a circuit, the first layer at the bottom and the logits on top; with several circuits, a slider chooses.

    Pointing at a node tells its edges, scores and words; at the middle of an edge, its name and score. A click on the
    legend hides what is read in that way.

    Args:
        circuits: one circuit, or the slider's labels and their circuits (`circuit_series`), all of one graph.
        title: the finding.
        scores: the edges' scores; the widths of all circuits share one scale, and a negative score is dashed.
        words: the top tokens that a source writes, as from `written_words`.
        classes: heads by class: those of `head_classes`, ``"none"`` being as if not named. Then colours and
            marks tell the classes, and all edges are gray.

    Raises:
        ValueError: for no circuits, circuits or scores of another graph, words or a class of an unknown source, or an
            unknown class.
    """
    shown = _checked(circuits, scores, words or {})
    graph = next(iter(shown.values())).graph
    named = named_heads(classes, graph)
    arcs = {label: arcs_of(circuit, scores) for label, circuit in shown.items()}
    everything = [arc for part in arcs.values() for arc in part]
    widest = max((abs(arc.score) for arc in everything if arc.score is not None), default=0.0)
    plain = classes is not None
    groups = [
        [*edge_lines(arcs[label], widest, plain), *node_traces(shown[label], arcs[label], words or {}, named)]
        for label in shown
    ]
    fixed = [faint_nodes(graph), *(class_legend(named) if plain else legend_entries(everything))]
    figure = go.Figure([*fixed, *groups[0]], layout=picture_layout(graph, everything, title))
    for group in groups[1:]:
        figure.add_traces([trace.update(visible=False) for trace in group])
    if len(shown) > 1:
        figure.update_layout(sliders=[slider(list(shown), len(fixed), [len(group) for group in groups])])
    if plain:
        figure.update_layout(legend_title_text="")
    return figure.update_layout(meta={"table": _table(arcs)})


def _checked(
    circuits: Circuit | Mapping[str, Circuit], scores: Scores | None, words: Mapping[str, Sequence[str]]
) -> dict[str, Circuit]:
    shown = {"": circuits} if isinstance(circuits, Circuit) else circuits
    if not shown:
        raise ValueError("no circuits: the mapping is empty")
    graph = next(iter(shown.values())).graph
    for label, circuit in shown.items():
        if circuit.graph != graph:
            raise ValueError(f"circuit {label!r} is of {circuit.graph}, the first one of {graph}")
    if scores is not None and scores.graph != graph:
        raise ValueError(f"the scores are of {scores.graph}, the circuits of {graph}")
    if unknown := set(words) - set(graph.sources):
        raise ValueError(f"words are given for {min(unknown)!r}, which is no source of {graph}")
    return dict(shown)


def _level(arc: Arc, widest: float) -> int:
    share = abs(arc.score) / widest if arc.score is not None and widest else 0.1
    return min(int(len(WIDTHS) * share**0.5), len(WIDTHS) - 1)


def edge_lines(arcs: list[Arc], widest: float, plain: bool = False, kinds: Kinds = KINDS) -> list[go.Scatter]:
    """The edges, thin ones below, and an invisible mark in the middle of each that tells what it is."""
    lines, marks = [], []
    styles = sorted({(_level(arc, widest), arc.kind, (arc.score or 0) < 0) for arc in arcs})
    for level, kind, negative in styles:
        mine = [a for a in arcs if (_level(a, widest), a.kind, (a.score or 0) < 0) == (level, kind, negative)]
        x, y = np.array([point for arc in mine for point in (*arc.points, GAP)]).T
        opacity = FAINTEST + (STRONGEST - FAINTEST) * level / (len(WIDTHS) - 1)
        color = COLORS["other" if plain else kinds[kind][1]]
        style = dict(color=color, width=WIDTHS[level], shape="spline", dash="dot" if negative else "solid")
        lines.append(trace_of(x, y, mode="lines", line=style, opacity=opacity, legendgroup=kind, hoverinfo="skip"))
    for kind in kinds:
        mine = [arc for arc in arcs if arc.kind == kind]
        if mine:
            x, y = np.array([arc.points[1] for arc in mine]).T
            marker = dict(opacity=0, size=9, color=COLORS[kinds[kind][1]])
            text = [_edge_text(arc) for arc in mine]
            marks.append(trace_of(x, y, mode="markers", marker=marker, legendgroup=kind, hovertext=text))
    return lines + marks


def trace_of(x: Float[np.ndarray, " point"], y: Float[np.ndarray, " point"], **style) -> go.Scatter:
    """Points or lines that stand in no legend, and of which only their ``hovertext`` is told."""
    return go.Scatter(x=x, y=y, **{"showlegend": False, "hoverinfo": "text"} | style)


def _edge_text(arc: Arc) -> str:
    score = "" if arc.score is None else f"<br>score {arc.score:.3g}"
    return html.escape(arc.name.replace("->", " → ")) + score


def node_traces(
    circuit: Circuit, arcs: list[Arc], words: Mapping[str, Sequence[str]], named: Mapping[str, str]
) -> list[go.Scatter]:
    """The nodes that the circuit uses, and the marks of its key/value groups with a line to each of their heads."""
    graph = circuit.graph
    reads: dict[str, list[Arc]] = {}
    marks: dict[str, list[Point]] = {}
    for arc, (reader, _) in zip(arcs, circuit.mask.nonzero().tolist(), strict=True):
        fed = graph.sources[graph.source_of(reader)] or ("logits",)
        for name in fed:
            reads.setdefault(name, []).append(arc)
        if len(fed) > 1:
            marks[graph.readers[reader][:-3]] = [entry(graph, reader), *(place(graph, name) for name in fed)]
    used = [*circuit.nodes, *(["logits"] if "logits" in reads else [])]
    text = [node_text(n, reads.get(n, []), [a for a in arcs if a.source == n], words.get(n, ())) for n in used]
    text = [f"{told}<br>class: {named[n]}" if n in named else told for n, told in zip(used, text, strict=True)]
    traces = _group_marks(marks)
    if used:
        x, y = np.array([place(graph, name) for name in used]).T
        size = float(np.clip(230 / (graph.n_heads + 2), 6, 13))  # a phone's width holds all columns
        marker = node_marks(used, named, size) | dict(opacity=1, line_width=0)
        traces.append(trace_of(x, y, mode="markers", marker=marker, hovertext=text, name="node"))
    return traces


def _group_marks(marks: dict[str, list[Point]]) -> list[go.Scatter]:
    if not marks:
        return []
    spokes = [p for mark, *heads in marks.values() for head in heads for p in (mark, head, GAP)]
    x, y = np.array(spokes).T
    line = trace_of(x, y, mode="lines", line=dict(color=INK, width=1), opacity=0.6, hoverinfo="skip")
    x, y = np.array([mark for mark, *_ in marks.values()]).T
    text = [f"<b>{name}</b><br>keys and values of {len(points) - 1} heads" for name, points in marks.items()]
    marker = dict(symbol="triangle-up", size=8, color=INK)
    return [line, trace_of(x, y, mode="markers", marker=marker, hovertext=text, name="group")]


def node_text(name: str, reads: list[Arc], writes: list[Arc], words: Sequence[str] = (), where: str = "") -> str:
    """What is told of a node: its name, ``where`` it is, its edges in and out with their scores, and its words."""
    parts = []
    for arcs, way in ((reads, "in"), (writes, "out")):
        if not arcs and (name in ("embed", "logits") or ".kv" in name):  # it never reads, or never writes
            continue
        edges = f"{len(arcs)} edge{'s' * (len(arcs) != 1)} {way}"
        known = [arc.score for arc in arcs if arc.score is not None]
        parts.append(f"{edges}, scores sum to {sum(known):.3g}" if known else edges)
    text = "<br>".join([f"<b>{name}</b>{where}", *parts])
    said = ", ".join(dict.fromkeys(html.escape(UNREADABLE.get(word, word).strip()) for word in words))
    return f"{text}<br>writes: {said}" if said else text


def faint_nodes(graph: Graph) -> go.Scatter:
    """All nodes as faint dots, so that one sees where in the model the circuit lies."""
    x, y = np.array([place(graph, name) for name in (*graph.sources, "logits")]).T
    marker = dict(size=4, color=COLORS["other"], opacity=0.45)
    return trace_of(x, y, mode="markers", marker=marker, hoverinfo="skip", name="all nodes")


def legend_entries(arcs: list[Arc], kinds: Kinds = KINDS) -> list[go.Scatter]:
    """An entry for each kind of edge that is there, and one for negative scores."""
    present = {name: COLORS[color] for kind, (name, color) in kinds.items() if any(arc.kind == kind for arc in arcs)}
    groups = {name: kind for kind, (name, _) in kinds.items()}
    entries = [
        go.Scatter(x=[None], y=[None], mode="lines", legendgroup=groups[n], name=n, line=dict(width=3, color=color))
        for n, color in present.items()
    ]
    if any((arc.score or 0) < 0 for arc in arcs):
        dash = dict(color=COLORS["other"], width=2, dash="dot")
        entries.append(go.Scatter(x=[None], y=[None], mode="lines", name="negative score", line=dash))
    return entries


def picture_layout(graph: Graph, arcs: list[Arc], title: str) -> go.Layout:
    """Rows for layers, columns for heads, and room for what bulges out at the right."""
    step = 1 + (graph.n_heads - 1) // 16
    heads = list(range(0, graph.n_heads, step))
    right = max([spine(graph) + 0.5, *(x for arc in arcs for x, _ in arc.points)])
    x = dict(
        tickvals=[*heads, spine(graph)],
        ticktext=[*(f"h{n}" for n in heads), "MLP"],
        tickangle=0,
        title="heads of each layer, its MLP at the right",
        range=[-0.6, right + 0.2],
    )
    y = dict(
        tickvals=list(range(-1, graph.n_layers + 1)),
        ticktext=["embed", *(f"layer {n}" for n in range(graph.n_layers)), "logits"],
        range=[-1.4, graph.n_layers + 0.4],
    )
    bare = dict(showgrid=False, zeroline=False)
    pitch = np.clip(560 / graph.n_layers, 30, 66)
    height = int(190 + pitch * (graph.n_layers + 1.5))
    legend = dict(title=dict(text="read as "), tracegroupgap=0)
    return go.Layout(title=title, xaxis=x | bare, yaxis=y | bare, height=height, legend=legend, dragmode=False)


def slider(labels: Sequence[str], fixed: int, sizes: Sequence[int], active: int = 0, prefix: str = "circuit: ") -> dict:
    """Each step shows the ``fixed`` first traces, which belong to all circuits, and its own; ``sizes`` counts these."""
    steps = []
    for chosen, label in enumerate(labels):
        own = [number == chosen for number, size in enumerate(sizes) for _ in range(size)]
        steps.append(dict(label=label, method="restyle", args=[{"visible": [True] * fixed + own}]))
    return dict(steps=steps, active=active, pad=dict(t=50, l=16, r=36), currentvalue=dict(prefix=prefix))


def _table(arcs: dict[str, list[Arc]]) -> list[list]:
    """The edges as rows below a head, strongest first: name, score, and which circuits have them."""
    within: dict[str, list[str]] = {}
    for label, part in arcs.items():
        for arc in part:
            within.setdefault(arc.name, []).append(label)
    scores = {arc.name: arc.score for part in arcs.values() for arc in part}
    scored, several = any(s is not None for s in scores.values()), len(arcs) > 1
    rows = [["edge", *(["score"] if scored else []), *(["in the circuits of"] if several else [])]]
    for name in sorted(within, key=lambda name: -abs(scores[name] or 0)):
        rows.append([name, *([scores[name]] if scored else []), *([", ".join(within[name])] if several else [])])
    return rows
