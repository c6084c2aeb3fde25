"""A drawing of induction: one head notes at each token what stood before it, another looks the note up and copies."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS
from helpers.studies.svg import arrow, drawing, line, page, path, text

TOKENS = ("A", "B", "C", "D", "A")
PLACES = (50, 130, 210, 290, 370)
BOTTOM, EARLY, NOTES, LATE, TOP = 258, 206, 158, 112, 30  # heights: tokens, first head, notes, second head, output


def two_heads() -> HTML:
    """Both steps in one drawing; text takes the page's colour."""
    parts = []
    for x, token in zip(PLACES, TOKENS, strict=True):
        parts += [line(x, BOTTOM - 20, x, TOP + 16, "other", 1), text(x, BOTTOM, token, weight=600)]
    for n, (left, right) in enumerate(zip(PLACES, PLACES[1:], strict=False)):
        strong = n == 0  # the note that is looked up
        parts.append(arrow(left, BOTTOM - 24, right - 3, EARLY - 14, "readers", 3 if strong else 1))
        parts.append(_note(right, NOTES, f"after {TOKENS[n]}", strong))
    parts.append(text(4, EARLY + 2, "1", "start", 700, color="readers"))
    parts.append(text(4, LATE + 2, "2", "start", 700, color="mover"))
    end, found = PLACES[-1], PLACES[1]
    curve = f"M {end} {LATE} Q {(end + found) / 2} {LATE - 4} {found + 10} {NOTES - 13}"
    parts.append(path(curve, "mover", 3, "6 4"))
    parts.append(text((end + found) / 2, LATE - 11, "query: what came after A?", color="mover"))
    parts.append(line(found, NOTES - 13, found, LATE - 32, "answer", 3))
    parts.append(arrow(found, LATE - 32, end - 6, TOP + 12, "answer", 3))
    parts.append(text(end, TOP + 6, "B", weight=700, color="answer"))
    parts.append(text(PLACES[2] - 10, TOP + 24, "copy B", color="answer"))
    parts.append(text(end + 12, EARLY + 14, "previous-", "start", color="readers"))
    parts.append(text(end + 12, EARLY + 30, "token head", "start", color="readers"))
    parts.append(text(end + 12, LATE + 6, "induction", "start", color="mover"))
    parts.append(text(end + 12, LATE + 22, "head", "start", color="mover"))
    return page(drawing(parts, 460, 268, 520))


def _note(x: float, y: float, words: str, strong: bool) -> str:
    """A note that the first head has left at a token, in the keys that the second will search."""
    color = COLORS["readers"]
    style = f'fill="{color}"' if strong else f'style="fill:var(--pst-color-background, #fff)" stroke="{color}"'
    ink = "fill:#fff" if strong else "fill:var(--kc-text, currentColor)"
    label = f'<text x="{x}" y="{y + 4}" font-size="11" text-anchor="middle" style="{ink}">{words}</text>'
    return f'<rect x="{x - 29}" y="{y - 10}" width="58" height="20" rx="4" {style}/>{label}'
