"""A conflict prompt in colours, and a drawing of the two sides that meet at its end."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby

from IPython.display import HTML

from helpers.figures.display import COLORS

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
        _text(84, BASE, WORDS[0], size=11),
        _text(FALSE, BASE, WORDS[1], "relation", 600, size=11),
        _text(279, BASE, WORDS[2], size=11),
        _path(f"M {FALSE} {BASE - 14} C {FALSE} {HIGH} 250 {HIGH} {END} {HIGH}", "relation"),
        _text(272, HIGH - 12, "copy: heads look back", "relation", size=11),
        _path(f"M {SUBJECT - 10} {BASE - 14} L {SUBJECT - 10} {BASE - 34}", "mover"),
        f'<rect x="{SUBJECT - 40}" y="{BASE - 56}" width="60" height="20" rx="3" fill="{COLORS["mlp"]}"/>',
        f'<text x="{SUBJECT - 10}" y="{BASE - 42}" font-size="11" text-anchor="middle" fill="#fff">weights</text>',
        _path(f"M {SUBJECT - 10} {BASE - 56} L {END} {HIGH + 26}", "mover"),
        _text(SUBJECT - 68, BASE - 42, "memory", "mover", size=11),
        _text(END + 34, HIGH + 4, "London", "relation", 600, size=11),
        _text(END + 34, HIGH + 30, "Paris", "mover", 600, size=11),
        _text(END + 34, HIGH - 18, "logits", size=11),
    ]
    box = 'viewBox="0 0 410 162" style="width:100%;max-width:620px" font-family="inherit"'
    return HTML(f'<svg xmlns="http://www.w3.org/2000/svg" {box} aria-hidden="true">{"".join(parts)}</svg>')


def _text(x: float, y: float, text: str, color: str = "", weight: int = 400, size: int = 13) -> str:
    fill = COLORS[color] if color else "var(--kc-text, currentColor)"
    look = f'font-size="{size}" text-anchor="middle" font-weight="{weight}" style="fill:{fill}"'
    return f'<text x="{x}" y="{y}" {look}>{text}</text>'


def _path(way: str, color: str) -> str:
    """A line that ends in a dot."""
    *_, x, y = way.split()
    line = f'<path d="{way}" fill="none" stroke="{COLORS[color]}" stroke-width="2.5" stroke-linecap="round"/>'
    return line + f'<circle cx="{x}" cy="{y}" r="4" fill="{COLORS[color]}"/>'
