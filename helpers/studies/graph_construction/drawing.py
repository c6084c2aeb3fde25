"""Two drawings: a head with its four matrices, and the residual stream as a graph in which one edge is cut."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

WORDS, PLACES = ("The", "capital", "of", "France", "is"), (30, 92, 150, 212, 322)
SOURCES = (("embed", 232), ("m0", 184), ("a23.h4", 112), ("m23", 64))  # with the height of each, late ones on top
READERS = (("a23.kv1<v>", 136, 2), ("m23", 88, 3), ("logits", 32, 4))  # height, and how many sources each sees


def head() -> HTML:
    """What a head does at the prompt's last token: compare a query with keys, and bring a value."""
    subject, end, base = PLACES[3], PLACES[4], 212
    parts = [_text(x, base, word) for x, word in zip(PLACES, WORDS, strict=True)]
    parts += [_line(x, base - 14, x, 20, "other", 1) for x in PLACES]
    parts += [_box(subject - 34, 150, "W_K", "relation"), _box(subject + 34, 150, "W_V", "mover")]
    parts += [_box(end, 150, "W_Q", "mixture"), _box(end - 50, 62, "W_O", "mover")]
    parts += [_line(subject, 184, subject - 34, 161, "relation"), _line(subject, 184, subject + 34, 161, "mover")]
    parts += [_line(end, 184, end, 161, "mixture")]
    parts += [_curve((subject - 34, 139), (subject - 34, 104), (end - 20, 96), "relation", dash="3 4")]
    parts += [_curve((end, 139), (end, 108), (end - 18, 98), "mixture", dash="3 4")]
    parts += [_text(144, 96, "query · key =", "end"), _text(144, 112, "attention to it", "end")]
    parts += [
        _curve((subject + 34, 139), (subject + 34, 76), (end - 68, 62), "mover"),
        _text(262, 112, "value", "start"),
    ]
    parts += [_arrow(end - 34, 56, end - 4, 38, "mover"), _text(end - 12, 34, "added to the stream", "end")]
    return _page(_svg("".join(parts), 360, 222, 520))


def one_edge() -> HTML:
    """The stream that all read, and the graph in which each reader has a sum of its own; one of its terms exchanged."""
    return _page(_stream() + _graph())


def _stream() -> str:
    """One vertical line that everybody writes to and reads from."""
    x = 180
    parts = [_text(4, 14, "The stream: one sum for all", "start", 600), _line(x, 246, x, 24, "other", 6)]
    for name, y in SOURCES:
        parts += [_label(12, y, name, "sources"), _arrow(78, y, x - 5, y - 6, "sources")]
    for name, y, _ in READERS:
        parts += [_label(262, y, name, "readers"), _arrow(x + 4, y + 6, 258, y, "readers")]
    return _svg("".join(parts), 360, 256, 430)


def _graph() -> str:
    """A line for each edge; the one from m0 into the values carries something else."""
    parts = [_text(4, 14, "The graph: one edge is cut", "start", 600)]
    for reader, y, sees in READERS:
        for source, start in SOURCES[:sees]:
            cut = (source, reader) == ("m0", "a23.kv1<v>")
            if not cut:
                parts.append(_curve((80, start), (170, start), (256, y), "other", width=1.3))
    parts.append(_curve((80, 184), (170, 184), (252, 138), "corrupt", width=3, dash="6 4"))
    parts.append(_text(352, 222, "what m0 writes about Japan", "end", size=12))
    parts += [_label(12, y, name, "sources") for name, y in SOURCES]
    parts += [_label(262, y, name, "readers") for name, y, _ in READERS]
    return _svg("".join(parts), 360, 256, 430)


def _page(body: str) -> HTML:
    style = "display:flex;flex-wrap:wrap;gap:1rem;justify-content:center"
    return HTML(f'<div style="{style}">{body}</div>')


def _svg(body: str, width: int, height: int, largest: int) -> str:
    box = f'viewBox="0 0 {width} {height}" style="flex:1 1 300px;max-width:{largest}px"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-size="13" font-family="inherit" aria-hidden="true">'
        f"{body}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: int = 400, size: int = 13) -> str:
    style = (
        f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" style="fill:var(--kc-text, currentColor)"'
    )
    return f'<text x="{x}" y="{y}" {style}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _box(x: float, y: float, text: str, color: str) -> str:
    """A matrix: white letters on a coloured ground, the index set lower."""
    letter, index = text.split("_")
    name = f'{letter}<tspan font-size="9" dy="3">{index}</tspan>'
    return (
        f'<rect x="{x - 18}" y="{y - 11}" width="36" height="22" rx="4" fill="{COLORS[color]}"/>'
        f'<text x="{x}" y="{y + 4}" text-anchor="middle" fill="#fff" font-size="12">{name}</text>'
    )


def _label(x: float, y: float, text: str, color: str) -> str:
    """A source or a reader, as wide as its name."""
    width = 66 if len(text) < 8 else 86
    return (
        f'<rect x="{x}" y="{y - 11}" width="{width}" height="22" rx="4" fill="none" stroke="{COLORS[color]}" '
        f'stroke-width="1.5"/>{_text(x + width / 2, y + 4, text, size=12)}'
    )


def _line(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    style = f'stroke="{COLORS[color]}" stroke-width="{width}" stroke-linecap="round"'
    return f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {style}/>'


def _curve(start: tuple, bend: tuple, end: tuple, color: str, width: float = 2, dash: str = "none") -> str:
    """A bent line through the direction of ``bend``."""
    (x0, y0), (x1, y1), (x2, y2) = start, bend, end
    style = f'fill="none" stroke="{COLORS[color]}" stroke-width="{width}" stroke-dasharray="{dash}"'
    return f'<path d="M{x0},{y0} Q{x1},{y1} {x2},{y2}" {style}/>'


def _arrow(x0: float, y0: float, x1: float, y1: float, color: str) -> str:
    """A line with a head."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    tip = [(x1, y1), (x1 - 8 * ux - 4 * uy, y1 - 8 * uy + 4 * ux), (x1 - 8 * ux + 4 * uy, y1 - 8 * uy - 4 * ux)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return _line(x0, y0, x1 - 5 * ux, y1 - 5 * uy, color, 1.6) + f'<polygon points="{points}" fill="{COLORS[color]}"/>'
