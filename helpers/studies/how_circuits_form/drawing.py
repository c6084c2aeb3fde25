"""A drawing of how an early circuit is judged: its edges, found with early weights, run with the finished ones."""

from __future__ import annotations

from IPython.display import HTML

from helpers.studies.svg import arrow, box, drawing, frame, page, text

PLACES = {  # a small graph: two layers of three heads and an MLP
    "in": (100, 190),
    "h0": (40, 150),
    "h1": (80, 150),
    "h2": (120, 150),
    "m0": (170, 122),
    "h3": (40, 88),
    "h4": (80, 88),
    "h5": (120, 88),
    "m1": (170, 60),
    "out": (100, 26),
}
FOUND = (("in", "h1"), ("h1", "m0"), ("m0", "h5"), ("h5", "m1"), ("m1", "out"), ("h5", "out"))
PERMUTED = {"h1": "h2", "h5": "h3"}
OF_HEADS = 32


def carried() -> HTML:
    """Three graphs side by side, on a narrow page one below the other."""
    moved = tuple((PERMUTED.get(a, a), PERMUTED.get(b, b)) for a, b in FOUND)
    return page(
        _graph("1. found in step 400's weights", FOUND, "readers"),
        _graph("2. run in the finished model", FOUND, "mover"),
        _graph("3. its heads permuted", moved, "other"),
    )


def _graph(title: str, edges: tuple[tuple[str, str], ...], color: str) -> str:
    parts = [text(104, 214, title, weight=600, size=12)]
    for source, reader in edges:
        (x0, y0), (x1, y1) = PLACES[source], PLACES[reader]
        parts.append(arrow(x0, y0 - 8, x1, y1 + 10, color if color == "other" else "relation"))
    names = {"in": "tokens", "out": "logits"}
    for name, (x, y) in PLACES.items():
        is_head = name.startswith("h")
        label = names.get(name, f"h{int(name[1:]) % 3}" if is_head else "MLP")
        draw = box if any(name in edge for edge in edges) else frame
        parts.append(draw(x, y, OF_HEADS if is_head else 48, 17, color, label, size=11))
    return drawing(parts, 208, 220, 250)
