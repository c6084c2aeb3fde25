"""Where the parts of a circuit by roles stand in its picture: a column for each role, a row for each layer.

A node stands once in each role in which it is used. Heads stand side by side, in as many lines as a narrow screen
needs; the embedding, the MLPs and the logits form the spine at the right of each column.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil
from typing import NamedTuple

from helpers.figures.circuit_layout import BENDS, Arc, Point, bulge, kind_of
from helpers.studies.which_search.roles import ROLES, RoleCircuit, RoleScores

# x counts slots, which hold a node; y counts lines
PHONE = 300  # pixels that a phone leaves for all columns
DISC, MARK = 15, 9  # pixels of a head, and of every other node
MOST = 4  # heads side by side, where there is room
LABEL = 3.2  # slots that the name of a role takes
PADDING = 0.3  # slots at each side of a column
SLOPE = 0.4  # lines that a head stands above its right neighbour: edges from earlier columns pass below it
RISE = 1.0  # lines from the heads of a layer up to its MLP, which reads them
BETWEEN = 1.8  # lines from one row to the next, so that edges between columns rise
WITHIN, ACROSS = 0.8, 1.5  # how far q, k and v of one head bend apart: slots in a column, lines between columns

ENDS = {"embed": -1, "logits": 10**9}  # below all layers and above them


class Node(NamedTuple):
    """A source, the logits or a key/value group (``"a5.kv1"``), at the positions of one role."""

    name: str
    role: str

    @property
    def layer(self) -> int:
        """Its layer; or the number in `ENDS`."""
        return ENDS.get(self.name) or int(self.name[1:].partition(".")[0])

    @property
    def in_spine(self) -> bool:
        """Whether it isn't part of an attention sublayer."""
        return "." not in self.name

    @property
    def is_head(self) -> bool:
        """Whether it is a head."""
        return ".h" in self.name

    @property
    def is_group(self) -> bool:
        """Whether it stands for the keys and values of a group of heads."""
        return ".kv" in self.name

    @property
    def number(self) -> int:
        """Of a head or a group in its layer; 0 for everything else."""
        return int(self.name.partition(".")[2].lstrip("hkv") or 0)

    @property
    def order(self) -> tuple[int, int, bool, int]:
        """Layer by layer, role by role, groups before heads."""
        return self.layer, ROLES.index(self.role), self.is_head, self.number


Lines = list[list[Node]]


class Column(NamedTuple):
    """Of a role: its left end, the middle of its heads, its spine, its right end."""

    left: float
    heads: float
    spine: float
    right: float


class Link(NamedTuple):
    """An edge by role, and the nodes that it joins."""

    edge: str
    kind: str
    start: Node
    end: Node
    score: float | None

    @property
    def crosses(self) -> bool:
        """Whether attention carries what is read to another role."""
        return self.start.role != self.end.role


@dataclass(frozen=True)
class Plan:
    """Where nodes are, each role's column, and the middles of the rows."""

    places: dict[Node, Point]
    columns: dict[str, Column]
    rows: dict[int, float]

    @property
    def width(self) -> float:
        """Of all columns, in slots."""
        return max(column.right for column in self.columns.values())

    def arc(self, link: Link) -> Arc:
        """An edge as it is drawn: straight, but beside the nodes of its column's spine, and q, k and v side by side."""
        (x0, y0), (x1, y1) = start, end = self.places[link.start], self.places[link.end]
        x, y, bend = (x0 + x1) / 2, (y0 + y1) / 2, BENDS.get(link.kind, 0.0)
        if _along_spine(link):
            x += _bulge(link, list(self.rows))
        elif link.crosses:  # it may rise so little that only below it is room
            y -= ACROSS * bend
        else:
            x += WITHIN * bend
        roles = f"{link.start.role} to {link.end.role}" if link.crosses else link.end.role
        return Arc(f"{link.edge}, {roles}", link.start.name, link.kind, link.score, (start, (x, y), end))


def links_of(circuit: RoleCircuit, scores: RoleScores | None) -> list[Link]:
    """The edges, each from a source at its own role to where it is used, at the query's role."""
    graph, links = circuit.graph, []
    for place in circuit.mask.nonzero().tolist():
        query, own, reader, source = place
        name = graph.readers[reader]
        start, end = Node(graph.sources[source], ROLES[own]), Node(name.partition("<")[0], ROLES[query])
        score = None if scores is None else float(scores.values[tuple(place)])
        links.append(Link(graph.name(reader, source), kind_of(name), start, end, score))
    return links


def plan(links: Collection[Link]) -> Plan:
    """Lay out the nodes that edges join; a layer or a role that none of them is in takes no room."""
    nodes = sorted({node for link in links for node in (link.start, link.end)}, key=lambda node: node.order)
    layers = sorted({node.layer for node in nodes})
    beside = {role: _beside(links, layers, role) for role in ROLES if any(node.role == role for node in nodes)}
    lines, columns = _fitted(nodes, beside)
    places, rows, bottom = {}, {}, 0.0
    for layer in layers:
        spine = [node for node in nodes if node.layer == layer and node.in_spine]
        cells = {role: lines.get((layer, role), []) for role in columns}
        heights = [up + SLOPE * (len(line) - 1) for cell in cells.values() for up, line in enumerate(cell)]
        top = bottom + max(heights, default=-RISE) + RISE * bool(spine)
        places |= {node: (columns[node.role].spine, top) for node in spine}
        for role, cell in cells.items():
            for up, line in enumerate(cell):
                widest = len(line) if line[0].is_group else max(map(len, cell))
                right, low = columns[role].heads + (widest - 1) / 2, bottom + up
                places |= {node: (right - n, low + SLOPE * n) for n, node in enumerate(reversed(line))}
        rows[layer], bottom = (bottom + top) / 2, top + BETWEEN
    return Plan(places, columns, rows)


def _along_spine(link: Link) -> bool:
    return link.start.in_spine and link.end.in_spine


def _bulge(link: Link, layers: Sequence[int]) -> float:
    """How far an edge along a spine goes around what may stand between its ends."""
    return bulge(float(layers.index(link.end.layer) - layers.index(link.start.layer) - 1))


def _beside(links: Collection[Link], layers: Sequence[int], role: str) -> float:
    """How much room the edges along a role's spine need at its right."""
    return max((_bulge(link, layers) for link in links if _along_spine(link) and link.end.role == role), default=0.0)


def _fitted(nodes: Sequence[Node], beside: dict[str, float]) -> tuple[dict[tuple[int, str], Lines], dict[str, Column]]:
    """The heads in as few lines as fit a narrow screen, by (layer, role), and the columns that hold them."""
    for most in range(MOST, 0, -1):
        lines, columns, left = _lines(nodes, most), {}, 0.0
        for role, room in beside.items():
            longest = max((len(line) for (_, at), cell in lines.items() if at == role for line in cell), default=0)
            needed = longest + 1 + room + 2 * PADDING
            width = max(LABEL, needed)
            first = left + (width - needed) / 2 + PADDING
            columns[role] = Column(left, first + longest / 2, first + longest + 0.5, left + width)
            left += width
        if left * DISC <= PHONE:
            break
    return lines, columns


def _lines(nodes: Sequence[Node], most: int) -> dict[tuple[int, str], Lines]:
    """The heads by (layer, role), in lines of at most so many, the lowest first: groups of keys and values."""
    lines: dict[tuple[int, str], Lines] = {}
    attention = [node for node in nodes if not node.in_spine]
    for (layer, role, _), part in groupby(attention, key=lambda node: (node.layer, node.role, node.is_group)):
        part = list(part)
        count = ceil(len(part) / most)
        ends = [round(n * len(part) / count) for n in range(count + 1)]
        lines.setdefault((layer, role), []).extend(part[a:b] for a, b in pairwise(ends))
    return lines
