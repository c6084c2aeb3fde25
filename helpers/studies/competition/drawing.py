"""A conflict prompt in colours, and a drawing of the two sides that meet at its end."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby

from IPython.display import HTML

from helpers.figures.display import COLORS
from helpers.studies.svg import box, dot, drawing, page, path, text

KINDS = {"random": "other", "false": "relation", "repeated": "mover"}  # part of a prompt -> its colour
NAMES = {
    "random": "random, said twice",
    "false": "the false word",
    "repeated": "the question, and where it stood before",
}
WORDS = ("The capital of France is", "London.", "The capital of France is")
FALSE, SUBJECT, END, BASE, HIGH = 186, 301, 352, 150, 42  # places across and heights in the drawing


def parts_of(prompt: str, question: str, false: str, random_tokens: str = "") -> list[tuple[str, str]]:
    """A prompt as pieces with their kind (``""`` for what is none of them), to be coloured.

    Args:
        random_tokens: what stands before the false sentence and again before the question.
    """
    kinds = [""] * len(prompt)
    for part, kind in ((random_tokens, "random"), (question, "repeated"), (false, "false")):
        start = prompt.find(part) if part.strip() else -1
        while start >= 0:
            kinds[start : start + len(part)] = [kind] * len(part)
            start = prompt.find(part, start + len(part))
    runs = groupby(zip(prompt, kinds, strict=True), key=lambda pair: pair[1])
    return [("".join(letter for letter, _ in run), kind) for kind, run in runs]


def coloured(parts: Sequence[tuple[str, str]], memory: str, copy: str) -> HTML:
    """A prompt whose parts are coloured and underlined by kind, a legend, and what each side would say."""
    body = "".join(_piece(text, kind) for text, kind in parts)
    present = [kind for kind in KINDS if any(kind == own for _, own in parts)]
    legend = ", ".join(_piece(NAMES[kind], kind) for kind in present)
    end = f"memory: <b>{html.escape(memory.strip())}</b>, copy: <b>{html.escape(copy.strip())}</b>"
    style = "line-height:1.9;color:var(--kc-text, currentColor)"
    return HTML(f'<p style="{style}">{body} ...</p><p style="{style}"><small>{legend}; {end}</small></p>')


def _piece(text: str, kind: str) -> str:
    if not kind:
        return html.escape(text)
    line = {"random": "dotted", "false": "double", "repeated": "solid"}[kind]
    style = f"text-decoration:underline {line} {COLORS[KINDS[kind]]};text-decoration-thickness:3px"
    return f'<span style="{style};text-underline-offset:4px">{html.escape(text)}</span>'


def two_sides() -> HTML:
    """Memory, from the weights at the subject, and copy, from the false word: both write to the logits at the end."""
    parts = [
        text(84, BASE, WORDS[0], size=11),
        text(FALSE, BASE, WORDS[1], color="relation", weight=600, size=11),
        text(279, BASE, WORDS[2], size=11),
        _path(f"M {FALSE} {BASE - 14} C {FALSE} {HIGH} 250 {HIGH} {END} {HIGH}", "relation"),
        text(272, HIGH - 12, "copy: heads look back", color="relation", size=11),
        _path(f"M {SUBJECT - 10} {BASE - 14} L {SUBJECT - 10} {BASE - 34}", "mover"),
        box(SUBJECT - 10, BASE - 46, 60, 20, "mlp", "weights"),
        _path(f"M {SUBJECT - 10} {BASE - 56} L {END} {HIGH + 26}", "mover"),
        text(SUBJECT - 68, BASE - 42, "memory", color="mover", size=11),
        text(END + 34, HIGH + 4, "London", color="relation", weight=600, size=11),
        text(END + 34, HIGH + 30, "Paris", color="mover", weight=600, size=11),
        text(END + 34, HIGH - 18, "logits", size=11),
    ]
    return page(drawing(parts, 410, 162, 620))


def _path(way: str, color: str) -> str:
    """A line that ends in a dot."""
    *_, x, y = way.split()
    return path(way, color, 2.5) + dot(float(x), float(y), 4, color)
