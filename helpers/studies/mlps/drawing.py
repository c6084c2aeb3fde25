"""A drawing of the two routes: which MLPs a name needs before heads fetch it, with the shares that were measured."""

from __future__ import annotations

from dataclasses import dataclass

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, line, page, text

PLACES = (40, 128, 208, 330)  # of the tokens
BOTTOM, FIRST, LATER, FETCHED, LATE, TOP = 232, 188, 134, 108, 66, 20  # heights of what happens, from early to late


@dataclass(frozen=True)
class Route:
    """What is drawn of one route: the tokens, and shares of the answer that cuts cost."""

    title: str
    tokens: tuple[str, str, str, str]
    first: float
    later: float
    end: float
    answer: str


def two_routes(one: Route, together: Route) -> HTML:
    """Both routes side by side, on a narrow page one below the other; text takes the page's colour."""
    return page(_route(one, clear=0), _route(together, clear=1))


def _route(route: Route, clear: int) -> str:
    """One route; ``clear`` is the place of the token at which the name is clear."""
    at, end = PLACES[clear], PLACES[-1]
    parts = [text(4, TOP - 4, route.title, "start", 600)]
    for x, token in zip(PLACES, route.tokens, strict=True):
        parts += [line(x, BOTTOM - 16, x, TOP + 16, "other", 1), text(x, BOTTOM, token)]
    start = FIRST
    for x in PLACES[: clear + 1]:
        parts.append(_box(x, FIRST, "first MLP"))
    if clear:
        start = LATER
        parts.append(arrow(PLACES[0], FIRST - 12, at - 34, LATER + 6, "relation"))
        parts.append(_box(at, LATER, "later MLPs"))
        parts.append(line(at, FIRST - 11, at, LATER + 12, "mlp", 4))
    parts.append(line(at, start - 11, at, FETCHED, "subject", 6))
    parts.append(arrow(at, FETCHED, end, LATE + 16, "mover"))
    parts.append(text(PLACES[2] + 60, FETCHED + 8, "heads fetch"))
    parts.append(_box(end, LATE, "late MLPs"))
    parts += [text(end, TOP + 10, route.answer, weight=600), arrow(end, LATE - 12, end, TOP + 16, "answer")]
    place = PLACES[1] + 44 if clear else PLACES[0] + 44
    parts.append(text(place, FIRST + 4, f"cut: {route.first:.0%}", "start"))
    parts.append(text(place, LATER + 4, f"later MLPs cut: {route.later:.0%}", "start"))
    parts.append(text(end - 40, LATE + 4, f"cut: {route.end:.0%}", "end"))
    return drawing(parts, 384, 242, 430)


def _box(x: float, y: float, name: str) -> str:
    return box(x, y, 72, 20, "mlp", name)
