"""A drawing of three bent functions inside a reader, and the straight line that each search continues from there."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, exp, pi, sqrt

from IPython.display import HTML

from helpers.figures.display import COLORS
from helpers.studies.svg import dot, drawing, line, page, text
from helpers.studies.which_search.wrong_gradients import LINES

WIDTH, HEIGHT, TOP, BOTTOM = 200, 158, 34, 130  # of a panel, and where its curve is drawn
DASHES = {"dash": "7 4", "dot": "2 4", "dashdot": "8 3 2 3"}
Function = Callable[[float], float]


def normed(x: float) -> float:
    """What a norm makes of a write x that stands beside another one of size 1."""
    return x / sqrt(1 + x * x)


def certain(x: float) -> float:
    """The attention probability of one of two positions whose score is x larger."""
    return 1 / (1 + exp(-x))


def gelu(x: float) -> float:
    """GPT-2's activation."""
    return x * (1 + erf(x / sqrt(2))) / 2


def panels() -> dict[str, tuple[Function, tuple[float, float], dict[str, float]]]:
    """Of each panel: the curve, its corrupt and its clean input, and the slope that each search takes at the clean one.

    RelP and GIM hold the norm's scale; GIM takes the softmax's slope at temperature 2, and RelP none; RelP takes the
    activation as so many times its input.
    """
    norm, score, neuron = 2.2, 4.0, 1.2
    held, sharp, softer = normed(norm) / norm, certain(score), certain(score / 2)
    tangent = (1 + erf(neuron / sqrt(2))) / 2 + neuron * exp(-(neuron**2) / 2) / sqrt(2 * pi)
    return {
        "a norm": (normed, (0.2, norm), {"EAP": (1 + norm**2) ** -1.5, "RelP": held, "GIM": held}),
        "a softmax": (
            certain,
            (-2.0, score),
            {"EAP": sharp * (1 - sharp), "RelP": 0.0, "GIM": softer * (1 - softer)},
        ),
        "an activation": (gelu, (-1.6, neuron), {"EAP": tangent, "RelP": gelu(neuron) / neuron, "GIM": tangent}),
    }


def three_gradients() -> HTML:
    """The three side by side, on a narrow page one below the other; text takes the page's colour."""
    return page(*(_panel(title, *panel) for title, panel in panels().items()))


def _panel(title: str, bent: Function, ends: tuple[float, float], slopes: dict[str, float]) -> str:
    """A curve between two inputs, and lines of some slopes through its clean end; equal lines share their label."""
    (corrupt, clean), values = ends, [bent(ends[0] + n / 40 * (ends[1] - ends[0])) for n in range(41)]
    last = {name: bent(clean) + slope * (corrupt - clean) for name, slope in slopes.items()}
    low, high = min(*values, *last.values()), max(*values, *last.values())

    def at(x: float, y: float) -> tuple[float, float]:
        right = (x - corrupt) / (clean - corrupt)
        return 58 + right * (WIDTH - 72), BOTTOM - (y - low) / (high - low) * (BOTTOM - TOP)

    xs = [corrupt + n / 40 * (clean - corrupt) for n in range(41)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, xs, values))
    parts = [f'<polyline points="{path}" fill="none" stroke="{COLORS["mover"]}" stroke-width="3"/>']
    x1, y1 = at(clean, bent(clean))
    for y in sorted(set(last.values())):
        names = [name for name in last if last[name] == y]
        _, color, dash = LINES[names[0]]
        x0, y0 = at(corrupt, y)
        parts.append(line(x0, y0, x1, y1, color, dash=DASHES[dash]))
        parts.append(text(x0 - 4, y0 + 4, ", ".join(names), "end", size=11))
    for x, y, name in ((*at(corrupt, values[0]), "corrupt"), (x1, y1, "clean")):
        parts += [dot(x, y, 4, "mover"), text(x, HEIGHT - 2, name, size=11)]
    parts.append(text(WIDTH / 2, 14, title, weight=600, size=11))
    return drawing(parts, WIDTH + 30, HEIGHT + 4, 300, left=-14)
