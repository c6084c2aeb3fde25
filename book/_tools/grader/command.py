"""The command ``python book/_tools grade``: its arguments, and what it prints and writes."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm.auto import tqdm

from _tools.grader.marks import Graded, Limits, grade
from _tools.grader.submissions import BOOK
from helpers.files import write_whole

EPILOG = """An answer runs in a process of its own, without network, with limits of time, memory and disk; nothing that
it prints or replaces counts. It can read Python's packages and this library, and nothing else. Answers of people whom
you don't know at all belong into a container as well: see helpers/grade_run.py. Exit code: 0 if everything was graded,
whatever the points; 2 if a file can't be graded; 1 if the book itself fails."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = command.add_argument
    command.epilog = EPILOG
    add("submissions", nargs="+", type=Path, metavar="FILE.ipynb", help="chapters that students have filled in")
    add("--seconds", type=float, default=Limits.seconds, help="for each answer (default: %(default)g)")
    add("--memory", type=float, default=Limits.memory / 2**30, help="GB for each answer (default: %(default)g)")
    add("--csv", type=Path, help="a line for each submission (default: grades.csv, if there are several)")
    add("--json", type=Path, help="everything, with the reasons")
    add("--book", type=Path, default=BOOK, help="the folder with the original chapters (default: this book's)")
    command.set_defaults(run=grade_command)


def table(graded: Graded, width: int) -> str:
    """The marks of one submission, with the reason for each."""
    if graded.problem:
        return textwrap.fill(f"{graded.path}: {graded.problem}.", width, subsequent_indent="  ")
    rows = [(m.label, m.title, m.level, f"{m.points} of {m.of}", m.reason) for m in graded.marks]
    rows.insert(0, ("exercise", "title", "level", "points", "reason"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{graded.path}: chapter {graded.chapter}, {graded.title}", ""]
    for row in rows:
        begin = "  " + "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=False)) + "  "
        reason = textwrap.wrap(row[4], max(width - len(begin), 30)) or [""]
        lines += [begin + reason[0], *(" " * len(begin) + more for more in reason[1:])]
    return "\n".join([*lines, "", f"  {graded.points} of {graded.of} points"])


def overview(graded: Sequence[Graded]) -> str:
    """A line for each submission."""
    names = [str(one.path) for one in graded]
    longest = max(map(len, names))
    lines = []
    for name, one in zip(names, graded, strict=True):
        if one.problem:
            lines.append(f"{name.ljust(longest)}  not graded: {one.problem}.")
            continue
        each = " ".join(f"{mark.points}/{mark.of}" for mark in one.marks)
        lines.append(f"{name.ljust(longest)}  chapter {one.chapter:2}  {one.points:2} of {one.of:2}  ({each})")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def write_csv(path: Path, graded: Sequence[Graded]) -> None:
    """A line for each submission: its points, those of each exercise, and why points are missing."""
    labels = sorted({mark.label for one in graded for mark in one.marks})
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["submission", "chapter", "points", "of", *labels, "remarks"])
    for one in graded:
        points = {mark.label: mark.points for mark in one.marks}
        missed = "; ".join(f"{m.label}: {m.reason}" for m in one.marks if not m.points or m.reason != "Right.")
        numbers = ["", "", ""] if one.problem else [one.chapter, one.points, one.of]
        each = [points.get(label, "") for label in labels]
        writer.writerow([_cell(str(one.path)), *numbers, *each, _cell(one.problem or missed)])
    write_whole(path, text.getvalue())


def write_json(path: Path, graded: Sequence[Graded]) -> None:
    """All that is known of each submission."""
    rows = [asdict(one) | {"path": str(one.path), "points": one.points, "of": one.of} for one in graded]
    write_whole(path, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def grade_command(arguments: argparse.Namespace) -> None:
    """Grade submissions, print and write the marks, and leave with an exit code."""
    if not hasattr(os, "fork"):
        sys.exit("Grading needs Linux or macOS; on Windows, use the Windows Subsystem for Linux.")
    if arguments.seconds <= 0 or arguments.memory <= 0:
        sys.exit("--seconds and --memory have to be more than nothing.")
    limits = Limits(seconds=arguments.seconds, memory=int(arguments.memory * 2**30))
    with tqdm(desc="answers judged", unit="", leave=False, disable=not sys.stderr.isatty()) as bar:
        graded = grade(arguments.submissions, book=arguments.book, limits=limits, said=bar.update)
    width = min(shutil.get_terminal_size((110, 24)).columns, 140)
    print("\n\n".join(table(one, width) for one in graded))
    several = len(graded) > 1
    if several:
        print("\n" + overview(graded))
    if path := arguments.csv or (Path("grades.csv") if several else None):
        write_csv(path, graded)
        print(f"\nA line for each submission is in {path}.")
    if arguments.json:
        write_json(arguments.json, graded)
    if any(one.problem for one in graded):
        sys.exit(1 if any(one.broken for one in graded) else 2)
