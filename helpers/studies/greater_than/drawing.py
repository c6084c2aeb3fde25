"""A drawing of the greater-than circuit: two heads bring the digits of the first year, MLPs compare."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import box, dot, drawing, frame, line, page, path, text

TOKENS = ("war", "...", "1", "7", "4", "5", "to", "...", "1", "7")
STEP, LEFT, BASE = 44, 30, 236  # pixels between tokens, before the first, and where they stand


def two_digits_fetched(tens: str, units: str, mlps: str) -> HTML:
    """Arcs from the digits of the first year to the last position, and what MLPs do with them there.

    Args:
        tens: the name of the head that reads the tens digit.
        units: the name of the head that reads the units digit.
        mlps: the names of the MLPs.
    """
    x = [LEFT + STEP * n for n in range(len(TOKENS))]
    parts = [text(at, BASE, token, weight=600 if token in "45" else 400) for at, token in zip(x, TOKENS, strict=True)]
    end = x[-1]
    for place, height, name, color in ((4, 120, tens, "mover"), (5, 168, units, "relation")):
        way = f"M{x[place]},{BASE - 18} C{x[place]},{height} {x[place] + 30},{height} {end - 6},{height}"
        parts += [path(way, color, 3), dot(end, height, 5, color)]
        digit = "tens" if place == 4 else "units"
        parts.append(text(end - 78, height - 8, f"{name} reads the {digit}"))
    parts.append(line(end, BASE - 18, end, 86, "other"))
    parts.append(frame(end - 58, 71, 164, 30, "mlp", f"{mlps} compare", size=13))
    for digit in range(10):
        later = digit > 4
        height, color = (18, "mover") if later else (3, "other")
        at = end - 194 + 24 * digit
        parts.append(box(at, 28 - height / 2, 14, height, color))
        parts.append(text(at, 44, str(digit), weight=600 if later else 400))
    return page(drawing(parts, end + 34, BASE + 12, 560))
