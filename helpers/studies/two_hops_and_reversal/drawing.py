"""Drawings of a donor's state in another question of two steps, and of what each donor can bring."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, dot, drawing, line, page, text

WORDS = ("capital", "home country of", "Ferrari", "is")
PLACES = (34, 120, 216, 290)  # of the tokens
FOOT, TOP, STATE, LATE = 186, 90, 152, 114  # heights: of the embedding, the end, the swapped state, the second step
DONORS = (
    ("named", "Japan", "", "the bridge, as a word"),
    ("told", "Japan", "Tokyo", "perhaps the answer, too"),
    ("never told", "Japan", "", "the bridge and no answer"),
    ("random", "", "", "neither"),
)


def donor_swap() -> HTML:
    """One state of a donor in the host's run, and four donors."""
    return page(_swap(), _donors())


def _swap() -> str:
    parts = [text(6, 16, "A donor's state in the question", anchor="start", weight=600)]
    for x, word in zip(PLACES, WORDS, strict=True):
        parts += [line(x, FOOT, x, TOP, "other", 1.5), text(x, FOOT + 18, word)]
    x, end = PLACES[2:]
    parts += [line(PLACES[1] - 50, FOOT + 26, x + 26, FOOT + 26, "relation", 2)]
    parts.append(text((PLACES[1] + x) / 2, FOOT + 40, "description of the bridge", size=11))
    parts += [dot(x, STATE, 7, "mover"), text(x - 12, STATE + 4, "“Toyota”", anchor="end", size=12)]
    parts += [line(x, STATE, x, LATE + 12, "mover", 4), arrow(x, LATE + 12, end, LATE - 8, "mover", 3)]
    parts += [line(end, LATE - 8, end, TOP, "mover", 4)]
    for n, words in enumerate(("Rome: kept", "Tokyo: the bridge is used", "Japanese: its own answer")):
        parts.append(text(326, 40 + 17 * n, words, anchor="end", size=12))
    return drawing(parts, 332, 232, 400)


def _donors() -> str:
    parts = [text(6, 16, "What a donor can bring", anchor="start", weight=600)]
    for n, (name, bridge, answer, words) in enumerate(DONORS):
        y = 52 + 46 * n
        parts += [text(6, y + 4, name, anchor="start"), text(84, y + 24, words, anchor="start", size=11)]
        parts += [box(112, y, 58, 20, "relation", bridge)] if bridge else []
        parts += [box(178, y, 58, 20, "mover", answer)] if answer else []
    return drawing(parts, 332, 232, 400)
