"""The map: circuits as points of a plane, near each other where they share edges, with links into the explorer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from IPython.display import HTML

from helpers.circuits.circuit import Circuit
from helpers.circuits.overlap import overlaps
from helpers.figures.display import COLORS
from helpers.studies.svg import dot, drawing, line, link, page, text

KIND_COLORS = {
    "factual": "mover",
    "commonsense": "relation",
    "linguistic": "mlp",
    "bias": "mixture",
    "fiction": "readers",
    "people": "other",
    "firms": "corrupt",
}
WIDTH, HEIGHT, TOP, EDGE = 460, 470, 46, 22
PLACES = [(0, -9), (0, 18), (9, 4), (-9, 4), (8, -9), (-8, -9), (8, 17), (-8, 17)]


def all_overlaps(first: Mapping[str, Circuit], second: Mapping[str, Circuit]) -> pd.DataFrame:
    """Overlaps of the circuits of both halves: rows and columns ``(relation, half)``, halves 0 and 1."""
    circuits = {f"{name} {half}": c for half, own in enumerate((first, second)) for name, c in own.items()}
    table = overlaps(circuits)
    keys = pd.MultiIndex.from_tuples([tuple(name.split()) for name in table.index], names=["relation", "half"])
    return table.set_axis(keys).set_axis(keys, axis=1)


def plane(overlap: pd.DataFrame) -> np.ndarray:
    """Points whose distances are as near to 1 minus the overlaps as two dimensions allow: classical scaling.

    Torgerson (1952): the two leading eigenvectors of the doubly centred squared distances, times the roots of their
    eigenvalues.
    """
    distances = 1 - overlap.to_numpy()
    centred = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-centred @ distances**2 @ centred / 2)
    return vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))


def faithful_plane(overlap: pd.DataFrame, points: np.ndarray) -> float:
    """The correlation of the plane's distances with the real ones, over all couples of circuits."""
    upper = np.triu_indices(len(points), 1)
    flat = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return float(np.corrcoef(flat[upper], 1 - overlap.to_numpy()[upper])[0, 1])


def ends_to_others(index: pd.MultiIndex, distances: np.ndarray | pd.DataFrame) -> float:
    """How far both circuits of a relation are apart, as a share of the distance of two relations' circuits: of means.

    Args:
        index: whose circuits the rows are, as in `all_overlaps`.
    """
    names, table = np.asarray(index.get_level_values(0)), np.asarray(distances)
    same = names[:, None] == names[None]
    return float(table[same & ~np.eye(len(names), dtype=bool)].mean() / table[~same].mean())


def draw_map(
    overlap: pd.DataFrame,
    points: np.ndarray,
    kinds: Mapping[str, str],
    label: str,
    linked: str = "",
    named: Collection[str] | None = None,
) -> str:
    """An SVG: a line for each relation, its two ends being its circuits from both halves of the facts.

    Args:
        overlap: as from `all_overlaps`; ``points`` are its rows in the plane.
        linked: the explorer's name of the model; names and dots lead into it.
        named: the relations whose names are written; all of them by default.
    """
    ends = _on_canvas(points)
    of = {name: [ends[i] for i in np.flatnonzero(overlap.index.get_level_values(0) == name)] for name in kinds}
    parts, taken = [text(EDGE, 16, label, "start", 600)], [tuple(end) for end in ends]
    shown = [kind for kind in KIND_COLORS if kind in kinds.values()]
    for number, kind in enumerate(shown):
        x, y = EDGE + 105 * (number % 4), 33 + 16 * (number // 4)
        parts += [dot(x + 4, y - 4, 4, KIND_COLORS[kind]), text(x + 12, y, kind, "start", size=11)]
    boxes: list[tuple[float, ...]] = []
    for name, (a, b) in of.items():
        color = KIND_COLORS[kinds[name]]
        drawn = [line(*a, *b, color, 3), dot(*a, 4.5, color), dot(*b, 4.5, color)]
        if named is None or name in named:
            drawn.append(_label(name.replace("_", " "), (a + b) / 2, boxes, taken))
        address = f"explorer.html#model={linked}&relation={name}"
        parts.append(link(address, name.replace("_", " "), *drawn) if linked else "".join(drawn))
    return drawing(parts, WIDTH, HEIGHT, WIDTH)


def maps(*drawn: str) -> HTML:
    """Maps side by side."""
    return page(*drawn)


def register(table: pd.DataFrame, linked: str) -> HTML:
    """A table of relations whose names lead into the explorer, where ``linked`` is the model's name."""
    names = [
        f'<a href="explorer.html#model={linked}&relation={name}">{name.replace("_", " ")}</a>' for name in table.index
    ]
    shown = table.set_axis(names).rename_axis(None)
    shown["nearest"] = shown["nearest"].str.replace("_", " ")
    return HTML(shown.to_html(escape=False))


def size_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """A row for each relation, the smallest on top, and a mark for each half: the edges that it needs.

    Args:
        table: columns ``relation, kind, half, needed``.
    """
    order = table.groupby("relation").needed.mean().sort_values(ascending=False).index.str.replace("_", " ")
    figure = px.scatter(
        table.assign(relation=table.relation.str.replace("_", " ")),
        **dict(x="needed", y="relation", color="kind", symbol="half", log_x=True),
        color_discrete_map={kind: COLORS[color] for kind, color in KIND_COLORS.items()},
        labels={"needed": "edges needed, a mark for each half", "relation": ""},
        title=title,
    )
    figure.update_yaxes(categoryorder="array", categoryarray=list(order), dtick=1, tickfont_size=11)
    figure.update_xaxes(tickvals=[50 * 2**n for n in range(6)])
    figure.update_traces(marker_size=9)
    named = set()
    for trace in figure.data:  # the legend tells the kinds only, each once
        trace.name = trace.name.split(",")[0]
        trace.legendgroup, trace.showlegend = trace.name, trace.name not in named
        named.add(trace.name)
    legend = dict(y=-0.16, yanchor="top", title_text="")
    return figure.update_layout(height=210 + 19 * len(order), legend=legend)


def _on_canvas(points: np.ndarray) -> np.ndarray:
    """Points stretched to the canvas, both ways by the same factor."""
    low, high = points.min(0), points.max(0)
    room = np.array([WIDTH - 2 * EDGE - 60, HEIGHT - TOP - 3 * EDGE])
    factor = (room / (high - low)).min()
    free = room - factor * (high - low)
    return (points - low) * factor + free / 2 + [EDGE + 30, TOP + 1.5 * EDGE]


def _label(
    words: str, at: np.ndarray, boxes: list[tuple[float, ...]], dots: Sequence[tuple[float, float]], size: int = 11
) -> str:
    """A name beside a point, where it covers the least of other names and dots; its box joins ``boxes``."""
    width, best = 0.56 * size * len(words), None
    for dx, dy in PLACES:
        anchor = "middle" if dx == 0 else "start" if dx > 0 else "end"
        x, y = at[0] + dx, at[1] + dy
        left = min(max(x - width * {"middle": 0.5, "start": 0, "end": 1}[anchor], 2), WIDTH - width - 2)
        box = (left, y - size, left + width, y + 3)
        hidden = sum(_shared(box, other) for other in boxes)
        hidden += sum(40 for u, v in dots if box[0] - 3 < u < box[2] + 3 and box[1] - 3 < v < box[3] + 3)
        if best is None or hidden < best[0]:
            best = hidden, box
    boxes.append(best[1])
    return text(best[1][0], best[1][3] - 3, words, "start", size=size)


def _shared(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The area that two boxes share."""
    wide, high = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    return max(wide, 0) * max(high, 0)
