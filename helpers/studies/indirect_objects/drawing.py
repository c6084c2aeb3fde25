"""Drawings of indirect objects: a circuit's classes of heads over the tokens of the prompt, and the shortcut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from IPython.display import HTML

from helpers.figures.display import COLORS
from helpers.studies.svg import arrow, bent_arrow, drawing, page, text

TOKENS = {"Mary": 44, "John": 108, "went": 176, "John ": 258, "to": 362}  # "John " is the second mention
ROLES = {"Mary": "IO", "John": "S1", "John ": "S2", "to": "END"}
BOTTOM = 338  # height of the tokens
# class -> middle of its box, and colour
BOXES = {
    "previous token": (140, 284, "readers"),
    "duplicate token": (272, 262, "sources"),
    "induction": (246, 214, "mixture"),
    "S-inhibition": (346, 162, "corrupt"),
    "S suppression": (208, 114, "subject"),
    "backup mover": (70, 66, "other"),
    "negative mover": (208, 66, "relation"),
    "name mover": (346, 66, "mover"),
}
WIDE, HIGH = 118, 36  # of a box
# Wang et al. 2023, figure 2; heads in brackets there (weaker ones of their class) are listed last
GPT2 = {
    "previous token": ("2.2", "4.11"),
    "duplicate token": ("0.1", "3.0", "0.10"),
    "induction": ("5.5", "6.9", "5.8", "5.9"),
    "S-inhibition": ("7.3", "7.9", "8.6", "8.10"),
    "name mover": ("9.9", "10.0", "9.6"),
    "negative mover": ("10.7", "11.10"),
    "backup mover": ("9.0", "9.7", "10.1", "10.2", "10.6", "10.10", "11.2", "11.9"),
}


def side_by_side(circuits: Mapping[str, Mapping[str, Sequence[str]]]) -> HTML:
    """Two circuits (name -> class -> heads), on a narrow page one below the other; text takes the page's colour."""
    return page(*(_circuit(name, heads) for name, heads in circuits.items()))


def _circuit(title: str, heads: Mapping[str, Sequence[str]]) -> str:
    parts = [text(4, 14, title, "start", 700)] + _tokens(TOKENS, BOTTOM, 92)
    at = {kind: (x, y) for kind, (x, y, _) in BOXES.items()}
    previous, duplicate, induction, inhibits, suppresses, _, _, mover = at.values()
    half = HIGH / 2
    parts += [
        arrow(TOKENS["John"], BOTTOM - 20, previous[0] - 20, previous[1] + half + 2, "readers"),
        arrow(previous[0], previous[1] - half, induction[0] - 40, induction[1] + half + 2, "readers"),
        arrow(TOKENS["John"] + 10, BOTTOM - 16, duplicate[0] - 44, duplicate[1] + half + 2, "sources"),
        arrow(duplicate[0] + 30, duplicate[1] - half, inhibits[0] + 10, inhibits[1] + half + 2, "sources"),
        arrow(induction[0] + 20, induction[1] - half, inhibits[0] - 30, inhibits[1] + half + 2, "mixture"),
        arrow(inhibits[0], inhibits[1] - half, mover[0], mover[1] + half + 2, "corrupt", 3),
        text(inhibits[0] + 7, 124, "queries", "start", color="corrupt"),
        bent_arrow(TOKENS["Mary"], BOTTOM - 20, 50, 140, mover[0] - 56, mover[1] + half, "mover"),
        text(62, 190, "copies IO", "start", color="mover"),
        arrow(mover[0], mover[1] - half, mover[0], 24, "mover", 3),
        text(mover[0], 17, "Mary", weight=700, color="answer"),
    ]
    if "S suppression" in heads:
        parts.append(
            bent_arrow(TOKENS["John "], BOTTOM - 20, 90, 240, suppresses[0] - 30, suppresses[1] + half, "subject")
        )
    parts += [_box(x, y, kind, heads[kind], color) for kind, (x, y, color) in BOXES.items() if kind in heads]
    return drawing(parts, 420, BOTTOM + 22, 470)


def shortcut() -> HTML:
    """What the first Atlas does: all names are copied, and whoever stands near the end is written against."""
    places, bottom = {"Mary": 40, "and": 84, "John": 128, "...": 172, "John ": 226, "gave": 276, "to": 338}, 214
    end = places["to"]
    parts = _tokens(places, bottom, 92)
    parts += [
        bent_arrow(places["John "], bottom - 26, 236, 156, end - 66, 150, "relation", 3),
        _box(end - 4, 150, "layer-0 heads", ["read the name"], "relation", 118),
        arrow(end - 4, 131, end - 4, 112, "relation", 3),
        _box(end - 4, 93, "MLPs", ["write against John"], "mlp", 118),
        bent_arrow(places["Mary"], bottom - 26, 60, 80, 146, 62, "mixture"),
        bent_arrow(places["John"], bottom - 26, 120, 110, 176, 62, "mixture"),
        _box(176, 44, "later heads", ["copy both names"], "mixture", 124),
        arrow(240, 40, 284, 26, "mixture"),
        arrow(end - 4, 74, end - 4, 34, "mlp", 3),
        text(end - 6, 26, "Mary", weight=700, color="answer"),
    ]
    return page(drawing(parts, 400, bottom + 22, 470))


def _tokens(places: Mapping[str, float], bottom: float, top: float) -> list[str]:
    parts = []
    for token, x in places.items():
        gray = f'stroke="{COLORS["other"]}" opacity=".35"'
        parts.append(f'<line x1="{x}" y1="{bottom - 18}" x2="{x}" y2="{top}" {gray}/>')
        parts.append(text(x, bottom, token.strip()))
        if token in ROLES:
            parts.append(text(x, bottom + 15, ROLES[token], color="other", size=11))
    return parts


def _box(x: float, y: float, kind: str, heads: Sequence[str], color: str, wide: float = WIDE) -> str:
    """A class with its heads; where there are none, a dashed box says so. What has no room is counted."""
    said, most = ", ".join(heads), 20  # characters that fit
    if len(said) > most:
        some = [n for n in range(1, len(heads)) if len(", ".join(heads[:n])) <= most - 3][-1]
        said = ", ".join(heads[:some]) + f" +{len(heads) - some}"
    dash = "" if heads else 'stroke-dasharray="5 4"'
    style = f'stroke="{COLORS[color]}" stroke-width="2" {dash} style="fill:var(--pst-color-background, #fff)"'
    box = f'<rect x="{x - wide / 2}" y="{y - HIGH / 2}" width="{wide}" height="{HIGH}" rx="5" {style}/>'
    below = text(x, y + 11, said or "none", size=11)
    return box + text(x, y - 4, kind, weight=600, color=color, size=12) + below
