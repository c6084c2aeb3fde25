"""A drawing of two corrupt lists: one swaps the query alone, the other everything."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, page, text

LIST = ("hot", "->", "cold", ";", "wide", "->")
PLACES = (30, 76, 124, 164, 208, 254)  # of the tokens
TOP, CLEAN, CORRUPT, NOTE = 18, 52, 96, 142  # heights


def two_swaps() -> HTML:
    """Both corrupt lists side by side, on a narrow page one below the other."""
    query = _swap("Another query", {4: "rich"}, ("the demonstrations stay:", "found is what reads the query"))
    words = {0: "Texas", 2: "Austin", 4: "Maine"}
    everything = _swap("Another task, too", words, ("the demonstrations change:", "found is what reads them as well"))
    return page(query, everything)


def _swap(title: str, changed: dict[int, str], notes: tuple[str, str]) -> str:
    parts = [text(4, TOP, title, anchor="start", weight=600)]
    for number, (x, word) in enumerate(zip(PLACES, LIST, strict=True)):
        parts.append(text(x, CLEAN, word))
        if number in changed:
            other = changed[number]
            parts.append(arrow(x, CLEAN + 6, x, CORRUPT - 14, "corrupt"))
            parts.append(box(x, CORRUPT - 2, 9 + 7 * len(other), 20, "corrupt", other, size=12))
        else:
            parts.append(text(x, CORRUPT, word, color="other"))
    parts.append(text(304, CLEAN, "narrow", color="answer", weight=600))
    parts.append(text(304, CORRUPT, "poor" if len(changed) == 1 else "Augusta", color="corrupt", weight=600))
    parts += [text(4, NOTE + 17 * line, words, anchor="start", size=12) for line, words in enumerate(notes)]
    return drawing(parts, 340, 168, 400)
