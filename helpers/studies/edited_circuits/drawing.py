"""A drawing of what the paper says of two editors: where the new answer is written, and how it reaches the end."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, line, page, text

PLACES = (36, 124, 210, 300)  # of the tokens
WORDS = ("to", "Pakistan", "visits ...", "of")
SUBJECT, END = PLACES[1], PLACES[3]
BOTTOM, EDITED, READ, TOP = 176, 134, 100, 34  # heights, from early to late


def two_ways() -> HTML:
    """Both editors side by side, on a narrow page one below the other; text takes the page's colour."""
    return page(
        _way("ROME: written at the subject", at_subject=True), _way("FT-M: written at the end", at_subject=False)
    )


def _way(title: str, at_subject: bool) -> str:
    parts = [text(4, 16, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, WORDS, strict=True):
        parts.append(line(x, BOTTOM - 16, x, TOP + 20, "other", width=1))
        parts.append(text(x, BOTTOM, word))
    at = SUBJECT if at_subject else END
    parts.append(line(at, EDITED, at, READ if at_subject else TOP + 20, "mlp", width=6))
    if at_subject:
        parts.append(arrow(SUBJECT, READ, END - 4, READ - 22, "mover"))
        parts.append(text(PLACES[2] - 8, READ - 18, "mover head"))
        parts.append(line(END, READ - 22, END, TOP + 20, "mlp", width=6))
    parts.append(box(at, EDITED, 58, 18, "mlp", "edited MLP", size=10))
    parts.append(text(END, TOP + 14, "Africa", weight=600))
    return drawing(parts, 350, 186, 420)
