"""Drawings of a transformer, of one of its heads, and of a state that is put into another run."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

WORDS = ("The", "capital", "of", "France", "is")
PLACES = (70, 122, 174, 226, 290)  # of the tokens
ROWS = (196, 148, 100, 52)  # of the layers in the drawing of two runs, from the first to the last
SIDE_BY_SIDE = "display:flex;flex-wrap:wrap;gap:1rem;justify-content:center"


def transformer() -> HTML:
    """The whole model, and one head; on a narrow page one below the other. Text takes the page's colour."""
    return HTML(f'<div style="{SIDE_BY_SIDE}">{_model()}{_head()}</div>')


def two_runs() -> HTML:
    """The clean run, and the corrupt one into which one of its states is put."""
    clean = _run("clean run", "France", "Paris", (), "subject")
    reached = [(row, column) for row in (2, 3) for column in (3, 4)]
    corrupt = _run("corrupt run, one state replaced", "Japan", "Tokyo? Paris?", reached, "other")
    return HTML(f'<div style="{SIDE_BY_SIDE}">{clean}{corrupt}</div>')


def _model() -> str:
    """Streams from the embedding up to the unembedding; one layer of 30, whose parts write at the last token."""
    end = PLACES[-1]
    parts = [_text(6, 16, "One layer of 30", anchor="start", weight=600)]
    for x, word in zip(PLACES, WORDS, strict=True):
        parts += [_line(x, 236, x, 66, "other", 1.5), _text(x, 272, word)]
        parts.append(_box(x - 13, 238, 26, 16, "other", "E"))
    for x, width in ((PLACES[1], 2), (PLACES[3], 4)):
        parts.append(_arrow(x, 200, end - 16, 158, "mover", width))
    parts.append(_box(end - 15, 143, 30, 18, "mover", "attn"))
    for x in PLACES[:-1]:
        parts.append(_box(x - 13, 100, 26, 16, "mlp", "MLP"))
    parts.append(_box(end - 15, 99, 30, 18, "mlp", "MLP"))
    parts.append(_line(end, 66, end, 58, "other", 1.5))
    parts += [_box(end - 15, 40, 30, 18, "readers", "U"), _text(end, 32, "Paris")]
    for y, label in ((251, "embed"), (220, "streams"), (178, "attention"), (112, "MLPs"), (54, "unembed")):
        parts.append(_text(4, y, label, anchor="start", size=11))
    return _svg(parts, 322, 280)


def _head() -> str:
    """What one head does at the last token: weights from queries and keys, a weighted sum of values, a write."""
    end, keys, weights = 262, (40, 100, 160), (0.02, 0.03, 0.95)
    parts = [_text(6, 16, "One head, at the last token", anchor="start", weight=600)]
    for x, word, weight in zip(keys, ("capital", "of", "France"), weights, strict=True):
        parts += [_text(x, 272, word), _line(x, 256, x, 230, "other", 1.5)]
        parts += [_box(x - 24, 212, 22, 17, "readers", "k"), _box(x + 2, 212, 22, 17, "mover", "v")]
        parts.append(_text(x - 6, 248, f"{weight:.2f}", anchor="end", size=12))
        parts.append(_arrow(x + 13, 210, 196, 118, "mover", 0.8 + 4 * weight))
    parts += [_text(end, 272, "is"), _line(end, 256, end, 52, "other", 1.5)]
    parts += [_box(end - 11, 212, 22, 17, "relation", "q"), _arrow(end - 13, 220, 190, 220, "relation", 1.5)]
    parts.append(_text(220, 213, "q · k", size=12))
    parts += [_box(176, 98, 42, 20, "mover", "sum"), _text(172, 92, "weights times values", size=11)]
    parts += [_arrow(218, 104, end - 3, 78, "mover", 3), _text(end - 8, 74, "writes", anchor="end", size=11)]
    parts.append(_text(end, 44, "stream goes on", size=11))
    return _svg(parts, 310, 280)


def _run(title: str, subject: str, answer: str, reached: list | tuple, color: str) -> str:
    """Tokens from left to right, layers upwards; the subject's state after the second layer is the one that moves.

    Args:
        reached: (row, column) of the states that can differ once that one is replaced.
    """
    words = (*WORDS[:3], subject, WORDS[-1])
    parts = [_text(6, 16, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, words, strict=True):
        own = word == subject
        parts += [_text(x, 242, word, weight=600 if own else 400), _line(x, 226, x, ROWS[-1], "other", 1)]
        for row, y in enumerate(ROWS):
            at = row, PLACES.index(x)
            clean = at in reached or (color == "subject" and own) or at == (1, 3)
            parts.append(_dot(x, y, 6, "subject" if clean else "other"))
    parts.append(_ring(PLACES[3], ROWS[1]))
    if reached:
        parts += [_arrow(PLACES[3], ROWS[1] - 6, PLACES[4] - 6, ROWS[2] + 4, "mover", 2)]
        parts.append(_text(PLACES[3] - 16, ROWS[1] - 12, "put in", anchor="end", size=12))
    else:
        parts.append(_text(PLACES[3] - 16, ROWS[1] - 12, "kept", anchor="end", size=12))
    for row, label in ((0, "layer 0"), (3, "last layer")):
        parts.append(_text(4, ROWS[row] + 4, label, anchor="start", size=11))
    parts.append(_text(PLACES[4], ROWS[-1] - 16, answer, anchor="middle"))
    return _svg(parts, 340, 250)


def _svg(parts: list[str], width: int, height: int) -> str:
    box = f'viewBox="0 0 {width} {height}" style="flex:1 1 300px;max-width:{width + 60}px"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-size="13" font-family="inherit" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: int = 400, size: int = 13) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
    return f'<text x="{x}" y="{y}" {style} style="fill:var(--kc-text, currentColor)">{text}</text>'


def _box(x: float, y: float, width: float, height: float, color: str, text: str) -> str:
    """A part of the model, with its name in it."""
    middle = f'x="{x + width / 2}" y="{y + height / 2 + 4}" text-anchor="middle" font-size="11" fill="#fff"'
    rect = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{COLORS[color]}"/>'
    return f"{rect}<text {middle}>{text}</text>"


def _dot(x: float, y: float, radius: float, color: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{COLORS[color]}"/>'


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="11" fill="none" stroke="{COLORS["mover"]}" stroke-width="2.5"/>'


def _line(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    style = f'stroke="{COLORS[color]}" stroke-width="{width}" stroke-linecap="round"'
    return f'<line x1="{x0}" y1="{y0}" x2="{x1:.1f}" y2="{y1:.1f}" {style}/>'


def _arrow(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    """A line with a head at its end."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy, half = (x1 - x0) / length, (y1 - y0) / length, 3 + width / 2
    tip = [(x1, y1)]
    tip += [(x1 - 9 * ux - side * half * uy, y1 - 9 * uy + side * half * ux) for side in (1, -1)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return (
        _line(x0, y0, x1 - 7 * ux, y1 - 7 * uy, color, width) + f'<polygon points="{points}" fill="{COLORS[color]}"/>'
    )
