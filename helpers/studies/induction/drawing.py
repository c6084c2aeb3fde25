"""A drawing of induction: one head notes at each token what stood before it, another looks the note up and copies."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

TOKENS = ("A", "B", "C", "D", "A")
PLACES = (50, 130, 210, 290, 370)
BOTTOM, EARLY, NOTES, LATE, TOP = 258, 206, 158, 112, 30  # heights: tokens, first head, notes, second head, output


def two_heads() -> HTML:
    """Both steps in one drawing; text takes the page's colour."""
    parts = []
    for x, token in zip(PLACES, TOKENS, strict=True):
        parts += [_line(x, BOTTOM - 20, x, TOP + 16, "other", 1), _text(x, BOTTOM, token, weight=600)]
    for n, (left, right) in enumerate(zip(PLACES, PLACES[1:], strict=False)):
        strong = n == 0  # the note that is looked up
        parts.append(_arrow(left, BOTTOM - 24, right - 3, EARLY - 14, "readers", 3 if strong else 1))
        parts.append(_note(right, NOTES, f"after {TOKENS[n]}", strong))
    parts.append(_text(4, EARLY + 2, "1", "start", 700, "readers"))
    parts.append(_text(4, LATE + 2, "2", "start", 700, "mover"))
    end, found = PLACES[-1], PLACES[1]
    curve = f"M {end} {LATE} Q {(end + found) / 2} {LATE - 4} {found + 10} {NOTES - 13}"
    dashed = f'stroke="{COLORS["mover"]}" stroke-width="3" stroke-dasharray="6 4"'
    parts.append(f'<path d="{curve}" fill="none" {dashed}/>')
    parts.append(_text((end + found) / 2, LATE - 11, "query: what came after A?", color="mover"))
    parts.append(_line(found, NOTES - 13, found, LATE - 32, "answer", 3))
    parts.append(_arrow(found, LATE - 32, end - 6, TOP + 12, "answer", 3))
    parts.append(_text(end, TOP + 6, "B", weight=700, color="answer"))
    parts.append(_text(PLACES[2] - 10, TOP + 24, "copy B", color="answer"))
    parts.append(_text(end + 12, EARLY + 14, "previous-", "start", color="readers"))
    parts.append(_text(end + 12, EARLY + 30, "token head", "start", color="readers"))
    parts.append(_text(end + 12, LATE + 6, "induction", "start", color="mover"))
    parts.append(_text(end + 12, LATE + 22, "head", "start", color="mover"))
    body = "".join(parts)
    box = 'viewBox="0 0 460 268" style="max-width:520px;width:100%" font-size="13" font-family="inherit"'
    return HTML(f'<svg xmlns="http://www.w3.org/2000/svg" {box} aria-hidden="true">{body}</svg>')


def _note(x: float, y: float, text: str, strong: bool) -> str:
    """A note that the first head has left at a token, in the keys that the second will search."""
    color = COLORS["readers"]
    style = f'fill="{color}"' if strong else f'style="fill:var(--pst-color-background, #fff)" stroke="{color}"'
    ink = "fill:#fff" if strong else "fill:var(--kc-text, currentColor)"
    label = f'<text x="{x}" y="{y + 4}" font-size="11" text-anchor="middle" style="{ink}">{text}</text>'
    return f'<rect x="{x - 29}" y="{y - 10}" width="58" height="20" rx="4" {style}/>{label}'


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: int = 400, color: str | None = None) -> str:
    fill = COLORS[color] if color else "var(--kc-text, currentColor)"
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" style="fill:{fill}">{text}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, color: str, width: float) -> str:
    style = f'stroke="{COLORS[color]}" stroke-width="{width}" stroke-linecap="round"'
    return f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {style}/>'


def _arrow(x0: float, y0: float, x1: float, y1: float, color: str, width: float) -> str:
    """A line with a head at its end."""
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    tip = [(x1, y1), (x1 - 9 * ux - 4 * uy, y1 - 9 * uy + 4 * ux), (x1 - 9 * ux + 4 * uy, y1 - 9 * uy - 4 * ux)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return (
        _line(x0, y0, x1 - 6 * ux, y1 - 6 * uy, color, width) + f'<polygon points="{points}" fill="{COLORS[color]}"/>'
    )
