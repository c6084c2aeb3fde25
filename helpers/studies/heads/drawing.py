"""A drawing of the classes of heads: what each reads and what it writes, over the tokens of a real prompt."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

TOKENS = ("The", "capital", "of", "France", "is")
PLACES = (28, 96, 164, 232, 330)
RELATION, PROPAGATION, MLP, MOVER = 238, 182, 136, 92  # heights at which heads write
BOTTOM, TOP = 316, 26


def classes() -> HTML:
    """Three heads that write at the prompt's end; text takes the page's colour."""
    end, parts = PLACES[-1], []
    for x, token in zip(PLACES, TOKENS, strict=True):
        parts += [_line(x, BOTTOM - 20, x, TOP + 16, "other", 1), _text(x, BOTTOM, token, weight=600)]
    parts += _head(PLACES[1], RELATION, "relation", "relation head", "a city")
    parts += _head(PLACES[3], PROPAGATION, "subject", "propagation", "France")
    parts += _head(PLACES[3], MOVER, "mover", "attribute mover", "Paris")
    parts.append(f'<rect x="{end - 21}" y="{MLP - 11}" width="42" height="22" rx="4" fill="{COLORS["mlp"]}"/>')
    parts.append(f'<text x="{end}" y="{MLP + 4}" font-size="12" text-anchor="middle" fill="#fff">MLPs</text>')
    parts.append(_text(end + 26, MLP - 2, "France", "start", color="subject"))
    parts.append(_text(end + 26, MLP + 14, "to Paris", "start", color="mlp"))
    parts.append(_text(end, TOP + 8, "Paris", weight=700, color="answer"))
    box = 'viewBox="0 0 410 324" style="max-width:520px;width:100%" font-size="13" font-family="inherit"'
    return HTML(f'<svg xmlns="http://www.w3.org/2000/svg" {box} aria-hidden="true">{"".join(parts)}</svg>')


def _head(x: float, y: float, color: str, name: str, writes: str) -> list[str]:
    """A head that reads at x, low, and writes at the prompt's end at height y."""
    end, low = PLACES[-1], y + 34
    label = _text(x - 6, y + 10, name, "end" if x > PLACES[2] else "start", 600, color)
    if x < PLACES[2]:
        label = _text(x + 8, y - 2, name, "start", 600, color)
    dot = f'<circle cx="{x}" cy="{low}" r="5" fill="{COLORS[color]}"/>'
    arrow = _line(x, low, end - 12, y + 2, color, 3)
    angle = (y + 2 - low) / (end - 12 - x)
    tip = f"{end - 3},{y} {end - 14},{y + 8 + 2 * angle:.1f} {end - 15},{y - 3 + 2 * angle:.1f}"
    written = _text(end + 8, y + 4, writes, "start", 600, color)
    return [dot, arrow, f'<polygon points="{tip}" fill="{COLORS[color]}"/>', label, written]


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: int = 400, color: str | None = None) -> str:
    fill = COLORS[color] if color else "var(--kc-text, currentColor)"
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" style="fill:{fill}">{text}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, color: str, width: float) -> str:
    style = f'stroke="{COLORS[color]}" stroke-width="{width}" stroke-linecap="round"'
    return f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {style}/>'
