"""A drawing of the classes of heads: what each reads and what it writes, over the tokens of a real prompt."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, dot, drawing, line, page, text

TOKENS = ("The", "capital", "of", "France", "is")
PLACES = (28, 96, 164, 232, 330)
RELATION, PROPAGATION, MLP, MOVER = 238, 182, 136, 92  # heights at which heads write
BOTTOM, TOP = 316, 26


def classes() -> HTML:
    """Three heads that write at the prompt's end; text takes the page's colour."""
    end, parts = PLACES[-1], []
    for x, token in zip(PLACES, TOKENS, strict=True):
        parts += [line(x, BOTTOM - 20, x, TOP + 16, "other", 1), text(x, BOTTOM, token, weight=600)]
    parts += _head(PLACES[1], RELATION, "relation", "relation head", "a city")
    parts += _head(PLACES[3], PROPAGATION, "subject", "propagation", "France")
    parts += _head(PLACES[3], MOVER, "mover", "attribute mover", "Paris")
    parts.append(box(end, MLP, 42, 22, "mlp", "MLPs", size=12))
    parts.append(text(end + 26, MLP - 2, "France", "start", color="subject"))
    parts.append(text(end + 26, MLP + 14, "to Paris", "start", color="mlp"))
    parts.append(text(end, TOP + 8, "Paris", weight=700, color="answer"))
    return page(drawing(parts, 410, 324, 520))


def _head(x: float, y: float, color: str, name: str, writes: str) -> list[str]:
    """A head that reads at x, low, and writes at the prompt's end at height y."""
    end, low = PLACES[-1], y + 34
    label = text(x - 6, y + 10, name, "end", 600, color=color)
    if x < PLACES[2]:
        label = text(x + 8, y - 2, name, "start", 600, color=color)
    written = text(end + 8, y + 4, writes, "start", 600, color=color)
    return [dot(x, low, 5, color), arrow(x, low, end - 3, y, color, 3), label, written]
