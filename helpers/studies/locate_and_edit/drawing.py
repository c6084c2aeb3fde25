"""Drawings of a causal trace with the two places of an edit, and of a change of rank one."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, bent_arrow, box, dot, drawing, frame, line, page, text

WORDS = ("capital", "of", "France", "is")
PLACES = (128, 176, 230, 290)  # of the tokens
FOOT, TOP, STATE, LATE = 176, 52, 140, 78  # heights: of the embedding, the end, an early state and a late MLP


def trace_and_edit() -> HTML:
    """A clean state put into a corrupt run, and the two places at which an edit can write."""
    return page(_trace(), _places())


def _streams(title: str, subject: str) -> list[str]:
    parts = [text(6, 16, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, WORDS, strict=True):
        parts += [line(x, FOOT, x, TOP, "other", 1.5), text(x, FOOT + 18, subject if word == "France" else word)]
    return parts


def _trace() -> str:
    """One state of the clean run in the corrupt run, and what it moves."""
    x, end = PLACES[2], PLACES[3]
    parts = _streams("Trace: put one clean state back", "Sweden")
    parts += [dot(x, STATE, 7, "mover"), text(4, STATE + 4, "state of “France”", anchor="start", size=11)]
    parts += [line(x, STATE, x, LATE + 16, "mover", 4), arrow(x, LATE + 16, end, LATE - 8, "mover", 3)]
    parts += [line(end, LATE - 8, end, TOP, "mover", 4), text(end, TOP - 10, "Paris again?")]
    return drawing(parts, 332, 202, 400)


def _places() -> str:
    """An early MLP at the subject and a late one at the prompt's end."""
    x, end = PLACES[2], PLACES[3]
    parts = _streams("Edit: change one MLP", "France")
    parts += [box(x, STATE, 36, 18, "mlp", "MLP"), box(end, LATE, 36, 18, "readers", "MLP")]
    parts += [text(4, STATE + 4, "subject is read", anchor="start", size=11)]
    parts += [text(4, LATE + 4, "answer is read", anchor="start", size=11)]
    parts += [bent_arrow(x, STATE - 12, x + 8, LATE + 22, end - 4, LATE + 14, "mlp", 2)]
    parts.append(text(end, TOP - 10, "Rome"))
    return drawing(parts, 332, 202, 400)


def rank_one() -> HTML:
    """What a change of rank one does to the edited key and to another one."""
    return page(_change(), _keys())


def _change() -> str:
    """The change: a column times a row."""
    parts = [text(6, 16, "A change of rank one", anchor="start", weight=600)]
    parts += [frame(50, 110, 60, 110, "other", "W"), text(100, 114, "+", size=16)]
    parts += [box(132, 110, 14, 110, "relation"), text(158, 114, "×", size=16), box(206, 110, 60, 14, "mover")]
    parts += [
        text(50, 186, "old weights", size=12),
        text(146, 186, "C⁻¹k*, scaled", size=12),
        text(206, 96, "v*", size=12),
    ]
    return drawing(parts, 276, 200, 360)


def _keys() -> str:
    """How much of the new value the edited key gets, a key like it, and a usual one."""
    parts = [text(6, 16, "Each key gets a share of v*", anchor="start", weight=600)]
    rows = ((60, "edited key", 1.0), (106, "a paraphrase's", 0.8), (152, "a neighbour's", 0.06))
    for y, words, share in rows:
        parts += [text(6, y + 4, words, anchor="start"), box(136, y, 12, 30, "relation")]
        parts += [arrow(148, y, 176, y, "other", 1.5), box(184 + 35 * share, y, 70 * share, 12, "mover")]
    return drawing(parts, 276, 200, 360)
