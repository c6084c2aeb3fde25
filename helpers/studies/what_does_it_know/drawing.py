"""Drawings of a transformer, of one of its heads, and of a state that is put into another run."""

from __future__ import annotations

from IPython.display import HTML

from helpers.figures.display import COLORS
from helpers.studies.svg import arrow, box, dot, drawing, line, page, text

WORDS = ("The", "capital", "of", "France", "is")
PLACES = (70, 122, 174, 226, 290)  # of the tokens
ROWS = (196, 148, 100, 52)  # of the layers in the drawing of two runs, from the first to the last


def transformer() -> HTML:
    """The whole model, and one head; on a narrow page one below the other. Text takes the page's colour."""
    return page(_model(), _head())


def two_runs() -> HTML:
    """The clean run, and the corrupt one into which one of its states is put."""
    clean = _run("clean run", "France", "Paris", (), "subject")
    reached = [(row, column) for row in (2, 3) for column in (3, 4)]
    corrupt = _run("corrupt run, one state replaced", "Japan", "Tokyo? Paris?", reached, "other")
    return page(clean, corrupt)


def _model() -> str:
    """Streams from the embedding up to the unembedding; one layer of 30, whose parts write at the last token."""
    end = PLACES[-1]
    parts = [text(6, 16, "One layer of 30", anchor="start", weight=600)]
    for x, word in zip(PLACES, WORDS, strict=True):
        parts += [line(x, 236, x, 66, "other", 1.5), text(x, 272, word)]
        parts.append(box(x, 246, 26, 16, "other", "E"))
    for x, width in ((PLACES[1], 2), (PLACES[3], 4)):
        parts.append(arrow(x, 200, end - 16, 158, "mover", width))
    parts.append(box(end, 152, 30, 18, "mover", "attn"))
    for x in PLACES[:-1]:
        parts.append(box(x, 108, 26, 16, "mlp", "MLP"))
    parts.append(box(end, 108, 30, 18, "mlp", "MLP"))
    parts.append(line(end, 66, end, 58, "other", 1.5))
    parts += [box(end, 49, 30, 18, "readers", "U"), text(end, 32, "Paris")]
    for y, label in ((251, "embed"), (220, "streams"), (178, "attention"), (112, "MLPs"), (54, "unembed")):
        parts.append(text(4, y, label, anchor="start", size=11))
    return drawing(parts, 322, 280, 382)


def _head() -> str:
    """What one head does at the last token: weights from queries and keys, a weighted sum of values, a write."""
    end, keys, weights = 262, (40, 100, 160), (0.02, 0.03, 0.95)
    parts = [text(6, 16, "One head, at the last token", anchor="start", weight=600)]
    for x, word, weight in zip(keys, ("capital", "of", "France"), weights, strict=True):
        parts += [text(x, 272, word), line(x, 256, x, 230, "other", 1.5)]
        parts += [box(x - 13, 220.5, 22, 17, "readers", "k"), box(x + 13, 220.5, 22, 17, "mover", "v")]
        parts.append(text(x - 6, 248, f"{weight:.2f}", anchor="end", size=12))
        parts.append(arrow(x + 13, 210, 196, 118, "mover", 0.8 + 4 * weight))
    parts += [text(end, 272, "is"), line(end, 256, end, 52, "other", 1.5)]
    parts += [box(end, 220.5, 22, 17, "relation", "q"), arrow(end - 13, 220, 190, 220, "relation", 1.5)]
    parts.append(text(220, 213, "q · k", size=12))
    parts += [box(197, 108, 42, 20, "mover", "sum"), text(172, 92, "weights times values", size=11)]
    parts += [arrow(218, 104, end - 3, 78, "mover", 3), text(end - 8, 74, "writes", anchor="end", size=11)]
    parts.append(text(end, 44, "stream goes on", size=11))
    return drawing(parts, 310, 280, 370)


def _run(title: str, subject: str, answer: str, reached: list | tuple, color: str) -> str:
    """Tokens from left to right, layers upwards; the subject's state after the second layer is the one that moves.

    Args:
        reached: (row, column) of the states that can differ once that one is replaced.
    """
    words = (*WORDS[:3], subject, WORDS[-1])
    parts = [text(6, 16, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, words, strict=True):
        own = word == subject
        parts += [text(x, 242, word, weight=600 if own else 400), line(x, 226, x, ROWS[-1], "other", 1)]
        for row, y in enumerate(ROWS):
            at = row, PLACES.index(x)
            clean = at in reached or (color == "subject" and own) or at == (1, 3)
            parts.append(dot(x, y, 6, "subject" if clean else "other"))
    parts.append(_ring(PLACES[3], ROWS[1]))
    if reached:
        parts += [arrow(PLACES[3], ROWS[1] - 6, PLACES[4] - 6, ROWS[2] + 4, "mover", 2)]
        parts.append(text(PLACES[3] - 16, ROWS[1] - 12, "put in", anchor="end", size=12))
    else:
        parts.append(text(PLACES[3] - 16, ROWS[1] - 12, "kept", anchor="end", size=12))
    for row, label in ((0, "layer 0"), (3, "last layer")):
        parts.append(text(4, ROWS[row] + 4, label, anchor="start", size=11))
    parts.append(text(PLACES[4], ROWS[-1] - 16, answer, anchor="middle"))
    return drawing(parts, 340, 250, 400)


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="11" fill="none" stroke="{COLORS["mover"]}" stroke-width="2.5"/>'
