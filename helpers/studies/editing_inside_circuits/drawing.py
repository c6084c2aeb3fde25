"""A drawing of what an edit may touch: the parts that a circuit names, as many others, or single weights anywhere."""

from __future__ import annotations

import random

from IPython.display import HTML

from helpers.studies.svg import box, drawing, frame, page, text

LAYERS, HEADS = 4, 3
CIRCUIT = {(0, 1), (0, 3), (2, 0), (3, 2), (3, 3)}  # (layer, part); the last part is the MLP
OTHERS = {(0, 2), (1, 1), (1, 3), (2, 3), (3, 0)}
DRAWN = 0.4  # share of the small squares that is drawn


def places() -> HTML:
    """Four places side by side, on a narrow page one below the other."""
    every = {(layer, part) for layer in range(LAYERS) for part in range(HEADS + 1)}
    return page(
        _place("the circuit's components", CIRCUIT, "mover"),
        _place("as many others", OTHERS, "relation"),
        _spots("as many single weights"),
        _place("all weights", every, "other"),
    )


def _parts() -> list[tuple[tuple[int, int], float, float, float, str]]:
    """Each part with its middle, its width and its name, the first layer at the bottom."""
    found = []
    for layer in range(LAYERS):
        y = 128 - 30 * layer
        found += [((layer, head), 22 + 28 * head, y, 24, f"h{head}") for head in range(HEADS)]
        found.append(((layer, HEADS), 128, y, 56, f"m{layer}"))
    return found


def _place(title: str, inside: set[tuple[int, int]], color: str) -> str:
    shapes = [text(84, 14, title, weight=600, size=12)]
    for part, x, y, width, name in _parts():
        if part in inside:
            shapes.append(box(x, y, width, 20, color, name))
        else:
            shapes.append(frame(x, y, width, 20, "other", name, size=11))
    return drawing(shapes, 168, 146, 230)


def _spots(title: str) -> str:
    rng, shapes = random.Random(1), [text(84, 14, title, weight=600, size=12)]
    for _, x, y, width, _ in _parts():
        shapes.append(frame(x, y, width, 20, "other"))
        columns = int(width // 8)
        for spot in range(2 * columns):
            if rng.random() < DRAWN:
                left = x - 4 * columns + 4 + 8 * (spot % columns)
                shapes.append(box(left, y - 4 + 8 * (spot // columns), 6, 6, "mixture"))
    return drawing(shapes, 168, 146, 230)
