"""A drawing of the two routes: where a name becomes clear, and from where heads fetch what is known."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, line, page, text

PLACES = (34, 112, 190, 248, 318)  # of the tokens
BOTTOM, BOUND, FETCHED, READ, TOP = 168, 124, 96, 62, 20  # heights of what happens, from early to late
WORDS_BETWEEN = ("was", "born", "in")


def routes() -> HTML:
    """Both routes side by side, on a narrow page one below the other; text takes the page's colour."""
    together = _route("Only the words together are clear", ("Vusus", "Buma"), clear=1)
    at_once = _route("The first word is clear", ("Tanin", "Buma"), clear=0)
    return page(together, at_once)


def _route(title: str, name: tuple[str, str], clear: int) -> str:
    """One route: ``clear`` is the place of the token at which the name is clear."""
    words, at, end = (*name, *WORDS_BETWEEN), PLACES[clear], PLACES[-1]
    parts = [text(4, TOP - 4, title, anchor="start", weight=600)]
    for x, word in zip(PLACES, words, strict=True):
        parts.append(line(x, BOTTOM - 16, x, TOP + 22, "other", width=1))
        parts.append(text(x, BOTTOM, word))
    start = BOTTOM - 16
    if clear:
        start = BOUND
        parts.append(arrow(PLACES[0], BOTTOM - 22, at, BOUND, "relation"))
        parts.append(text(PLACES[0] + 2, BOUND - 6, "bind", anchor="start"))
    parts.append(line(at, start, at, FETCHED, "subject", width=6))
    parts.append(arrow(at, FETCHED, end, READ, "mover"))
    free = (PLACES[1] + PLACES[2]) / 2  # between two streams
    parts.append(text(free, FETCHED + (READ - FETCHED) * (free - at) / (end - at) - 9, "heads fetch"))
    parts.append(box(end, READ - 10, 30, 15, "mlp", "MLP", size=10))
    parts.append(text(end, TOP + 14, "Parlford"))
    return drawing(parts, 360, 178, 430)
