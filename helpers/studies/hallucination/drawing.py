"""A drawing of a contest in the lens: a right answer that is ahead and passed, and the control that it needs."""

from __future__ import annotations

from math import pi, sin

from IPython.display import HTML

from helpers.studies.svg import arrow, box, dot, drawing, line, page, path, text

WIDTH, HEIGHT, LEVEL = 330, 196, 96  # of a panel, and where both answers are level
LEFT, RIGHT = 22, 300  # the first and the last layer drawn
PASSED = 214  # where the winner gets ahead


def contest() -> HTML:
    """Both panels side by side, on a narrow page one below the other; text takes the page's colour."""
    own = _panel("The right answer (Canberra)", "answer", 44, "ahead")
    control = _panel("A wrong one that ends as strong (Perth)", "other", 58, "ahead, too?")
    return page(own, control)


def _panel(title: str, color: str, top: int, words: str) -> str:
    """How far an answer is ahead of what is said (Sydney), from layer to layer; it ends behind it."""
    end = LEVEL + 40
    parts = [text(4, 14, title, "start", weight=600)]
    parts.append(line(LEFT, LEVEL, RIGHT, LEVEL, "other", width=1, dash="4 4"))
    parts.append(text(LEFT + 4, LEVEL + 18, "level with what is said (Sydney)", "start", size=12))
    steps = [LEFT + n * (RIGHT - LEFT) / 60 for n in range(61)]
    way = "M" + " L".join(f"{x:.1f},{LEVEL - _lead(x, LEVEL - top, end - LEVEL):.1f}" for x in steps)
    parts.append(path(way, color, width=3))
    parts.append(text(LEFT + 112, top - 12, words, color=color))
    parts.append(dot(PASSED, LEVEL, 5, "mover"))
    parts.append(arrow(PASSED + 34, 44, PASSED + 6, LEVEL - 8, "mover"))
    parts.append(text(PASSED + 40, 38, "passed here", size=12))
    for n, (place, part) in enumerate(zip(range(LEFT + 26, RIGHT, 56), ("mover", "mlp") * 3, strict=False)):
        parts.append(box(place, HEIGHT - 18, 48, 17, part, ("attention", "MLP")[n % 2], size=10))
    return drawing(parts, WIDTH, HEIGHT, 420)


def _lead(x: float, most: float, least: float) -> float:
    """The height of the way at a place: up to ``most``, level at `PASSED`, and ``least`` below in the end."""
    if x <= PASSED:
        return most * sin(pi * (x - LEFT) / (PASSED - LEFT))
    return -least * sin(pi / 2 * (x - PASSED) / (RIGHT - PASSED))
