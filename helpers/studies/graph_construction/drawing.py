"""Two drawings: a head with its four matrices, and the residual stream as a graph in which one edge is cut."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, frame, line, page, path, text

WORDS, PLACES = ("The", "capital", "of", "France", "is"), (30, 92, 150, 212, 322)
SOURCES = (("embed", 232), ("m0", 184), ("a23.h4", 112), ("m23", 64))  # with the height of each, late ones on top
READERS = (("a23.kv1<v>", 136, 2), ("m23", 88, 3), ("logits", 32, 4))  # height, and how many sources each sees


def head() -> HTML:
    """What a head does at the prompt's last token: compare a query with keys, and bring a value."""
    subject, end, base = PLACES[3], PLACES[4], 212
    parts = [text(x, base, word) for x, word in zip(PLACES, WORDS, strict=True)]
    parts += [line(x, base - 14, x, 20, "other", 1) for x in PLACES]
    parts += [_matrix(subject - 34, 150, "W_K", "relation"), _matrix(subject + 34, 150, "W_V", "mover")]
    parts += [_matrix(end, 150, "W_Q", "mixture"), _matrix(end - 50, 62, "W_O", "mover")]
    parts += [line(subject, 184, subject - 34, 161, "relation"), line(subject, 184, subject + 34, 161, "mover")]
    parts += [line(end, 184, end, 161, "mixture")]
    parts += [_curve((subject - 34, 139), (subject - 34, 104), (end - 20, 96), "relation", dash="3 4")]
    parts += [_curve((end, 139), (end, 108), (end - 18, 98), "mixture", dash="3 4")]
    parts += [text(144, 96, "query · key =", "end"), text(144, 112, "attention to it", "end")]
    parts += [
        _curve((subject + 34, 139), (subject + 34, 76), (end - 68, 62), "mover"),
        text(262, 112, "value", "start"),
    ]
    parts += [arrow(end - 34, 56, end - 4, 38, "mover"), text(end - 12, 34, "added to the stream", "end")]
    return page(drawing(parts, 360, 222, 520))


def one_edge() -> HTML:
    """The stream that all read, and the graph in which each reader has a sum of its own; one of its terms exchanged."""
    return page(_stream(), _graph())


def _stream() -> str:
    """One vertical line that everybody writes to and reads from."""
    x = 180
    parts = [text(4, 14, "The stream: one sum for all", "start", 600), line(x, 246, x, 24, "other", 6)]
    for name, y in SOURCES:
        parts += [_label(12, y, name, "sources"), arrow(78, y, x - 5, y - 6, "sources")]
    for name, y, _ in READERS:
        parts += [_label(262, y, name, "readers"), arrow(x + 4, y + 6, 258, y, "readers")]
    return drawing(parts, 360, 256, 430)


def _graph() -> str:
    """A line for each edge; the one from m0 into the values carries something else."""
    parts = [text(4, 14, "The graph: one edge is cut", "start", 600)]
    for reader, y, sees in READERS:
        for source, start in SOURCES[:sees]:
            cut = (source, reader) == ("m0", "a23.kv1<v>")
            if not cut:
                parts.append(_curve((80, start), (170, start), (256, y), "other", width=1.3))
    parts.append(_curve((80, 184), (170, 184), (252, 138), "corrupt", width=3, dash="6 4"))
    parts.append(text(352, 222, "what m0 writes about Japan", "end", size=12))
    parts += [_label(12, y, name, "sources") for name, y in SOURCES]
    parts += [_label(262, y, name, "readers") for name, y, _ in READERS]
    return drawing(parts, 360, 256, 430)


def _label(x: float, y: float, name: str, color: str) -> str:
    """A source or a reader, as wide as its name."""
    width = 66 if len(name) < 8 else 86
    return frame(x + width / 2, y, width, 22, color, name)


def _matrix(x: float, y: float, name: str, color: str) -> str:
    return box(x, y, 36, 22, color, name, size=12)


def _curve(start: tuple, bend: tuple, end: tuple, color: str, width: float = 2, dash: str = "none") -> str:
    """A bent line through the direction of ``bend``."""
    (x0, y0), (x1, y1), (x2, y2) = start, bend, end
    return path(f"M{x0},{y0} Q{x1},{y1} {x2},{y2}", color, width, dash)
