"""What the drawings of the book are made of: text, lines, arrows and boxes of an SVG, in the book's colours.

Text without a colour takes the page's, so that a drawing can be read in light and dark. Sizes are in units of the
drawing's own canvas; `page` sets drawings side by side, on a narrow page one below the other.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from IPython.display import HTML

from helpers.figures.display import COLORS


def drawing(parts: Iterable[str], width: float, height: float, largest: int, font: int = 13, left: float = 0) -> str:
    """An SVG of a canvas; it shrinks with the page and is at most ``largest`` pixels wide."""
    basis = min(300, largest - 90)  # what it needs for itself before it moves below another
    box = f'viewBox="{left} 0 {width} {height}" style="flex:1 1 {basis}px;max-width:{largest}px"'
    look = f'font-size="{font}" font-family="inherit" aria-hidden="true"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {look}>{"".join(parts)}</svg>'


def page(*drawings: str) -> HTML:
    """Drawings side by side."""
    style = "display:flex;flex-wrap:wrap;gap:1rem;justify-content:center"
    return HTML(f'<div style="{style}">{"".join(drawings)}</div>')


def text(
    x: float, y: float, words: str, anchor: str = "middle", weight: int = 400, size: int = 13, color: str = ""
) -> str:
    """Words whose middle, start or end is at a point."""
    look = f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
    fill = COLORS[color] if color else "var(--kc-text, currentColor)"
    return f'<text x="{x:.1f}" y="{y:.1f}" {look} style="fill:{fill}">{html.escape(words)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2, dash: str = "none") -> str:
    """A straight line."""
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" {_stroke(color, width, dash)}/>'


def path(way: str, color: str, width: float = 2, dash: str = "none") -> str:
    """A line along the SVG path ``way``."""
    return f'<path d="{way}" fill="none" {_stroke(color, width, dash)}/>'


def _stroke(color: str, width: float, dash: str) -> str:
    ends = 'stroke-linecap="round"' if dash == "none" else f'stroke-dasharray="{dash}"'
    return f'stroke="{COLORS[color]}" stroke-width="{width}" {ends}'


def arrow(x0: float, y0: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    """A straight line with a head at its end."""
    tip, (x, y) = _tip(x0, y0, x1, y1, color, width)
    return line(x0, y0, x, y, color, width) + tip


def bent_arrow(x0: float, y0: float, xm: float, ym: float, x1: float, y1: float, color: str, width: float = 2) -> str:
    """A line with a head at its end, bent towards a point beside the straight one."""
    tip, (x, y) = _tip(xm, ym, x1, y1, color, width)
    return path(f"M{x0},{y0} Q{xm},{ym} {x:.1f},{y:.1f}", color, width) + tip


def _tip(x0: float, y0: float, x1: float, y1: float, color: str, width: float) -> tuple[str, tuple[float, float]]:
    """The head of an arrow, and where its shaft ends."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy, half = (x1 - x0) / length, (y1 - y0) / length, 3 + width / 2
    tip = [(x1, y1)] + [(x1 - 9 * ux - side * half * uy, y1 - 9 * uy + side * half * ux) for side in (1, -1)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return f'<polygon points="{points}" fill="{COLORS[color]}"/>', (x1 - 7 * ux, y1 - 7 * uy)


def link(address: str, words: str, *parts: str) -> str:
    """Parts that lead to an address, with words that a pointer shows.

    It is left out of the way of the Tab key, as the drawing is of a screen reader's: say the same beside the drawing.
    """
    inside = f"<title>{html.escape(words)}</title>{''.join(parts)}"
    return f'<a href="{html.escape(address)}" tabindex="-1">{inside}</a>'


def dot(x: float, y: float, radius: float, color: str) -> str:
    """A filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{COLORS[color]}"/>'


def box(x: float, y: float, width: float, height: float, color: str, words: str = "", size: int = 11) -> str:
    """A filled box around a point, with white words in it; ``W_K`` has its index set lower."""
    name, _, index = html.escape(words).partition("_")
    lower = f'<tspan font-size="{size - 3}" dy="3">{index}</tspan>' if index else ""
    rect = f'x="{x - width / 2}" y="{y - height / 2}" width="{width}" height="{height}" rx="4"'
    middle = f'x="{x}" y="{y + 4}" text-anchor="middle" font-size="{size}" fill="#fff"'
    label = f"<text {middle}>{name}{lower}</text>" if words else ""
    return f'<rect {rect} fill="{COLORS[color]}"/>{label}'


def frame(x: float, y: float, width: float, height: float, color: str, words: str = "", size: int = 12) -> str:
    """An open box around a point, with words in the page's colour."""
    rect = f'x="{x - width / 2}" y="{y - height / 2}" width="{width}" height="{height}" rx="4"'
    look = f'fill="none" stroke="{COLORS[color]}" stroke-width="1.5"'
    return f"<rect {rect} {look}/>{text(x, y + 4, words, size=size)}"
