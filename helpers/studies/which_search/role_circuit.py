"""A circuit by roles as a picture: tokens as columns, layers as rows, and attention as what runs between columns."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from math import ceil
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from helpers.checks import Model, checked
from helpers.circuits.graph import Graph
from helpers.figures.circuit import GAP, edge_lines, legend_entries, node_text, trace_of
from helpers.figures.circuit_layout import Arc
from helpers.figures.display import COLORS, INK, UNREADABLE
from helpers.prompts.pairs import PromptPairs
from helpers.studies.which_search.role_layout import DISC, ENDS, MARK, Link, Node, Plan, links_of, plan
from helpers.studies.which_search.roles import ROLES, RoleCircuit, RoleScores, role_ids

ON_INK = "white"  # on light and on dark pages, where INK is the same for marks
LINE = (17, 23)  # pixels from one line of nodes to the next: the least, and the most
TALL = 560  # pixels that the rows take if their lines allow it
TOKEN_WIDTH, TOKEN_LINES = 9, 3  # what a column's label shows of its tokens
PROMPT_WIDTH = 44  # letters of the prompt in a line


@checked
def draw_role_circuit(
    model: Model,
    circuit: RoleCircuit,
    pairs: PromptPairs,
    *,
    title: str,
    scores: RoleScores | None = None,
) -> go.Figure:
    """Draw a circuit by roles: a column for each role that it uses, a row for each layer, the logits on top.

    An edge stays in its column, unless attention carries what its source wrote at one role to a head at another. As in
    `helpers.figures.circuit.circuit_picture` colours tell how it is read, widths how large its score is, and dots that
    the score is negative (the edge harms). Discs are heads with their numbers, squares MLPs, diamonds the embedding and
    the logits, triangles the keys and values that heads share.

    Args:
        pairs: one of their clean prompts, the first with the most of the circuit's roles, is the columns' example.
        title: the finding.

    Raises:
        ValueError: for a circuit without edges, scores of another graph, pairs whose subjects aren't known or that have
            none of the circuit's roles.
    """
    if not circuit.n_edges:
        raise ValueError("the circuit has no edges, so there is nothing to draw")
    if scores is not None and scores.graph != circuit.graph:
        raise ValueError(f"the scores are of {scores.graph}, the circuit of {circuit.graph}")
    links = links_of(circuit, scores)
    layout = plan(links)
    prompt, words = example_words(model, pairs, layout.columns)
    arcs = [layout.arc(link) for link in links]
    widest = max((abs(arc.score) for arc in arcs if arc.score is not None), default=0.0)
    traces = [*legend_entries(arcs), *edge_lines(arcs, widest), *_node_traces(circuit.graph, links, arcs, layout)]
    figure = go.Figure(traces, layout=_layout(layout, prompt, words, title))
    return figure.update_layout(meta={"table": _table(links)})


def example_words(model: Model, pairs: PromptPairs, roles: Collection[str]) -> tuple[str, dict[str, str]]:
    """A clean prompt, the first with the most of these roles, and the text of its tokens in each of them.

    Raises:
        ValueError: if a subject isn't known, or no prompt has any of the roles.
    """
    decode, best = model.tokenizer.decode, ("", {})
    for _, group in pairs.groups():
        for prompt, ids, numbers in zip(group.clean, group.clean_ids, role_ids(group).tolist(), strict=True):
            told: dict[str, str] = {}
            for token, number in zip(ids, numbers, strict=True):
                if (role := ROLES[number]) in roles:
                    text = decode([token])
                    told[role] = told.get(role, "") + UNREADABLE.get(text, text)
            if len(told) > len(best[1]):
                best = prompt, told
    if not best[1]:
        raise ValueError(f"no prompt of these pairs has a token that is {' or '.join(roles)}")
    return best


def _node_traces(graph: Graph, links: list[Link], arcs: list[Arc], layout: Plan) -> list[go.Scatter]:
    """The nodes, heads with their numbers, and a line from each key/value group to its heads in that role."""
    text, drawn = [], list(zip(links, arcs, strict=True))
    for node in layout.places:
        read_at = {node, _group(graph, node)}
        reads = [arc for link, arc in drawn if link.end in read_at]
        writes = [arc for link, arc in drawn if link.start == node]
        text.append(node_text(node.name, reads, writes, where=f", {node.role}"))
    x, y = np.array(list(layout.places.values())).T
    marker = dict(
        symbol=[_symbol(n) for n in layout.places], size=[DISC if n.is_head else MARK for n in layout.places], color=INK
    )
    numbers = [str(node.number) if node.is_head else "" for node in layout.places]
    marks = trace_of(x, y, mode="markers+text", text=numbers, hovertext=text, name="node", marker=marker)
    marks.update(textposition="middle center", textfont=dict(size=11, color=ON_INK), cliponaxis=False)
    return [*_spokes(graph, layout), marks.update(marker=dict(opacity=1, line_width=0))]


def _group(graph: Graph, node: Node) -> Node:
    """Where a head's keys and values are read: at the head itself, if no others share them."""
    return node._replace(name=graph.reader_of(node.name, "k")[:-3]) if node.is_head else node


def _spokes(graph: Graph, layout: Plan) -> list[go.Scatter]:
    points: list[tuple[float, float]] = []
    for node, place in layout.places.items():
        group = _group(graph, node)
        if group != node and group in layout.places:
            points += [layout.places[group], place, GAP]
    if not points:
        return []
    x, y = np.array(points).T
    return [trace_of(x, y, mode="lines", line=dict(color=INK, width=1), opacity=0.6, hoverinfo="skip")]


def _symbol(node: Node) -> str:
    shapes = {"a": "triangle-up" if node.is_group else "circle", "m": "square"}
    return shapes.get(node.name[0], "diamond")


def _layout(layout: Plan, prompt: str, words: Mapping[str, str], title: str) -> go.Layout:
    """Every other column shaded, each named by its role and the example's tokens; a name for each row."""
    shade = dict(type="rect", y0=0, y1=1, yref="paper", layer="below", line_width=0, opacity=0.1)
    shade |= dict(fillcolor=COLORS["other"])
    shades = [shade | dict(x0=at.left, x1=at.right) for at in list(layout.columns.values())[::2]]
    labels = [f"<b>{role.replace(' ', '<br>')}</b><br>{_token_label(words.get(role, ''))}" for role in layout.columns]
    middles = [(column.left + column.right) / 2 for column in layout.columns.values()]
    said = "<br>".join(map(html.escape, _prompt_lines(f"as in: {prompt}")))
    x = dict(tickvals=middles, ticktext=labels, tickangle=0, title=said, range=[0, layout.width])
    names = {layer: name for name, layer in ENDS.items()}
    bottom, top = (edge(y for _, y in layout.places.values()) for edge in (min, max))
    y = dict(
        tickvals=list(layout.rows.values()),
        ticktext=[names.get(layer, f"layer {layer}") for layer in layout.rows],
        range=[bottom - 0.8, top + 0.8],
    )
    bare = dict(showgrid=False, zeroline=False)
    legend = dict(title=dict(text="read as "), tracegroupgap=0)
    lines = top - bottom + 1.6
    height = int(210 + lines * np.clip(TALL / lines, *LINE))
    return go.Layout(title=title, xaxis=x | bare, yaxis=y | bare, shapes=shades, height=height, legend=legend,
                     dragmode=False)  # fmt: skip


def _prompt_lines(text: str) -> list[str]:
    """A text in lines of about the same length, so that no word stands alone below."""
    count = ceil(len(text) / PROMPT_WIDTH)
    return next(lines for width in range(len(text) // count, PROMPT_WIDTH + 1)
                if len(lines := wrap(text, width)) <= count or width == PROMPT_WIDTH)  # fmt: skip


def _token_label(text: str) -> str:
    """The tokens of a column, in a few short lines."""
    lines = wrap(text.strip(), TOKEN_WIDTH, break_long_words=False)
    lines = lines if len(lines) <= TOKEN_LINES else [*lines[: TOKEN_LINES - 1], "…"]
    return "<br>".join(f"<i>{html.escape(line)}</i>" for line in lines)


def _table(links: list[Link]) -> list[list]:
    """The edges as rows below a head, strongest first: where each reads, where it is used, and its score."""
    scored = any(link.score is not None for link in links)
    rows = [["edge", "from", "to", *(["score"] if scored else [])]]
    for link in sorted(links, key=lambda link: -abs(link.score or 0)):
        rows.append([link.edge, link.start.role, link.end.role, *([link.score] if scored else [])])
    return rows
