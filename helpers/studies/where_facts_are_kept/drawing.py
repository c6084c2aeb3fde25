"""A drawing of the two routes: where a name becomes clear, and from where heads fetch what is known."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

PLACES = (34, 112, 190, 248, 318)  # of the tokens
BOTTOM, BOUND, FETCHED, READ, TOP = 168, 124, 96, 62, 20  # heights of what happens, from early to late
WORDS_BETWEEN = ("was", "born", "in")


def routes() -> HTML:
    """Both routes side by side, on a narrow page one below the other; text takes the page's colour."""
    together = _route("Only the words together are clear", ("Vusus", "Buma"), clear=1)
    at_once = _route("The first word is clear", ("Tanin", "Buma"), clear=0)
    style = "display:flex;flex-wrap:wrap;gap:1rem;justify-content:center"
    return HTML(f'<div style="{style}">{together}{at_once}</div>')


def _route(title: str, name: tuple[str, str], clear: int) -> str:
    """One route: ``clear`` is the place of the token at which the name is clear."""
    words, at, end = (*name, *WORDS_BETWEEN), PLACES[clear], PLACES[-1]
    parts = [_text(4, TOP - 4, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, words, strict=True):
        parts.append(_line(x, BOTTOM - 16, x, TOP + 22, "other", width=1))
        parts.append(_text(x, BOTTOM, word))
    start = BOTTOM - 16
    if clear:
        start = BOUND
        parts.append(_arrow(PLACES[0], BOTTOM - 22, at, BOUND, "relation"))
        parts.append(_text(PLACES[0] + 2, BOUND - 6, "bind", anchor="start"))
    parts.append(_line(at, start, at, FETCHED, "subject", width=6))
    parts.append(_arrow(at, FETCHED, end, READ, "mover"))
    free = (PLACES[1] + PLACES[2]) / 2  # between two streams
    parts.append(_text(free, FETCHED + (READ - FETCHED) * (free - at) / (end - at) - 9, "heads fetch"))
    parts.append(f'<rect x="{end - 15}" y="{READ - 18}" width="30" height="15" rx="3" fill="{COLORS["mlp"]}"/>')
    parts.append(f'<text x="{end}" y="{READ - 7}" font-size="10" text-anchor="middle" fill="#fff">MLP</text>')
    parts.append(_text(end, TOP + 14, "Parlford"))
    body = "".join(parts)
    box = 'viewBox="0 0 360 178" style="flex:1 1 300px;max-width:430px" font-size="13" font-family="inherit"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} aria-hidden="true">{body}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: int = 400) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" style="fill:var(--kc-text, currentColor)"'
    return f'<text x="{x}" y="{y}" {style}>{text}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    style = f'stroke="{COLORS[color]}" stroke-width="{width}" stroke-linecap="round"'
    return f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {style}/>'


def _arrow(x0: float, y0: float, x1: float, y1: float, color: str) -> str:
    """A line with a head that points to the right."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    tip = [(x1, y1), (x1 - 9 * ux - 4 * uy, y1 - 9 * uy + 4 * ux), (x1 - 9 * ux + 4 * uy, y1 - 9 * uy - 4 * ux)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return _line(x0, y0, x1 - 6 * ux, y1 - 6 * uy, color) + f'<polygon points="{points}" fill="{COLORS[color]}"/>'
