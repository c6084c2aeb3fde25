"""A drawing of the greater-than circuit: two heads bring the digits of the first year, MLPs compare."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS

TOKENS = ("war", "...", "1", "7", "4", "5", "to", "...", "1", "7")
STEP, LEFT, BASE = 44, 30, 236  # pixels between tokens, before the first, and where they stand


def two_digits_fetched(tens: str, units: str, mlps: str) -> HTML:
    """Arcs from the digits of the first year to the last position, and what MLPs do with them there.

    Args:
        tens: the name of the head that reads the tens digit.
        units: the name of the head that reads the units digit.
        mlps: the names of the MLPs.
    """
    x = [LEFT + STEP * n for n in range(len(TOKENS))]
    parts = [_text(at, BASE, token, 600 if token in "45" else 400) for at, token in zip(x, TOKENS, strict=True)]
    end = x[-1]
    for place, height, name, color in ((4, 120, tens, "mover"), (5, 168, units, "relation")):
        path = f"M{x[place]},{BASE - 18} C{x[place]},{height} {x[place] + 30},{height} {end - 6},{height}"
        parts.append(f'<path d="{path}" fill="none" stroke="{COLORS[color]}" stroke-width="3"/>')
        parts.append(f'<circle cx="{end}" cy="{height}" r="5" fill="{COLORS[color]}"/>')
        digit = "tens" if place == 4 else "units"
        parts.append(_text(end - 78, height - 8, f"{name} reads the {digit}", 400))
    parts.append(f'<line x1="{end}" y1="{BASE - 18}" x2="{end}" y2="86" stroke="{COLORS["other"]}" stroke-width="2"/>')
    box = f'x="{end - 140}" y="56" width="164" height="30" rx="6" fill="none" stroke="{COLORS["mlp"]}"'
    parts.append(f'<rect {box} stroke-width="3"/>' + _text(end - 58, 76, f"{mlps} compare", 400))
    for digit in range(10):
        later = digit > 4
        size, color = (18, COLORS["mover"]) if later else (3, COLORS["other"])
        at = end - 194 + 24 * digit
        parts.append(f'<rect x="{at - 7}" y="{28 - size}" width="14" height="{size}" fill="{color}"/>')
        parts.append(_text(at, 44, str(digit), 600 if later else 400))
    width = end + 34
    start = '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" font-size="13"'
    style = f'viewBox="0 0 {width} {BASE + 12}" style="width:100%;max-width:560px;display:block;margin:auto"'
    return HTML(f"{start} {style}>{''.join(parts)}</svg>")


def _text(x: float, y: float, text: str, weight: int) -> str:
    style = f'text-anchor="middle" font-weight="{weight}" style="fill:var(--kc-text, currentColor)"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'
