"""Submissions for tests: chapters with their stubs filled in, and a chapter that is made up and quick."""

import json
import re
from pathlib import Path

START = re.compile(r"\{(exercise-start|solution-start)\}(?:.|\n)*?(ex-\d\d-\d)")


def answer_cells(notebook: dict) -> dict[str, dict[str, list[dict]]]:
    """For each exercise's label, the code cells of its stub and those of its solution."""
    found, inside = {}, None
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for kind, label in START.findall(text):
                inside = found.setdefault(label, {}).setdefault(kind.split("-")[0], [])
            if "{solution-end}" in text:
                inside = None
        elif inside is not None:
            inside.append(cell)
    return found


def filled(path: Path, answers: dict[str, str] | None = None) -> dict:
    """A chapter with answers in its stubs; without any, with the book's own solutions."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for label, cells in answer_cells(notebook).items():
        own = "\n\n".join("".join(cell["source"]) for cell in cells["solution"])
        if (answers or {}).get(label, own if answers is None else None) is not None:
            for cell in cells["exercise"]:
                cell["source"] = ""
            cells["exercise"][-1]["source"] = own if answers is None else answers[label]
    return notebook


def save(folder: Path, name: str, notebook: dict) -> Path:
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


SETUP = """%matplotlib inline
import torch
from types import SimpleNamespace
from helpers.exercises.kit import attempted, check, expect

never_needed = 1 / 0"""

CHECKS = '''@check
def doubles(double):
    """``double(x)`` is twice x."""
    for x in (1, 5):
        given = attempted(double(x))
        expect(given != x * x or x * x == 2 * x, "that is the square.")
        expect(abs(given - 2 * x) == 0, f"twice {x} is {2 * x}.")


@check
def is_largest(largest, table):
    expect(attempted(largest) == max(table), "another one is larger.")


@check
def both(first, second, vector):
    same = torch.equal(attempted(first(vector)), vector[:1]) and torch.equal(second(vector), vector[1:])
    expect(same, "the parts differ.")


chapter_90 = SimpleNamespace(doubles=doubles, is_largest=is_largest, both=both)'''

EXERCISES = {
    "ex-90-1": (
        "Twice · easy · 5 minutes",
        "def double(x):\n    return None\n\n\nchapter_90.doubles(double)",
        "def double(x):\n    return 2 * x\n\n\nassert chapter_90.doubles(double)",
    ),
    "ex-90-2": (
        "The largest · medium · 5 minutes",
        "largest = None\nchapter_90.is_largest(largest, table)",
        "largest = max(table)\nassert chapter_90.is_largest(largest, table)",
    ),
    "ex-90-3": (
        "First and rest · hard · 5 minutes",
        "vector = torch.arange(4.0)\n\n\ndef first(x):\n    return None\n\n\ndef second(x):\n    return None\n\n\n"
        "chapter_90.both(first, second, vector)",
        "def first(x):\n    return x[:1]\n\n\ndef second(x):\n    return x[1:]\n\n\n"
        "assert chapter_90.both(first, second, vector)",
    ),
}


def tiny(folder: Path) -> Path:
    """A chapter 90 with three exercises in a book's folder."""
    cells, numbers = [], iter(range(100))

    def add(kind, text):
        cells.append({"cell_type": kind, "id": f"t{next(numbers)}", "metadata": {}, "source": text})

    add("markdown", "# A tiny chapter")
    for code in (SETUP, CHECKS, "table = [3, 1, 2]\nprint(table)\ntable.append(7)"):
        add("code", code)
    add("markdown", "## Exercises")
    for label, (title, stub, solution) in EXERCISES.items():
        add("markdown", f"```{{exercise-start}} {title}\n:label: {label}\n```\n\nDo it.")
        add("code", stub)
        add("markdown", "```{exercise-end}\n```")
        add("markdown", f"```{{solution-start}} {label}\n:class: dropdown\n```\n\nThus.")
        add("code", solution)
        add("markdown", "```{solution-end}\n```")
    add("markdown", "## Summary")
    return save(folder, "90_tiny", {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
