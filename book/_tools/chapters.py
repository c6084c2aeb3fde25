"""The chapters as they describe themselves: title, question, minutes, and what each one needs first."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from _tools import ToolError


@dataclass(frozen=True)
class Chapter:
    """What a chapter says of itself: ``needs`` are numbers of chapters, ``stem`` is the file's name without ending."""

    number: int
    stem: str
    part: str
    title: str
    question: str
    minutes: int
    needs: tuple[int, ...]

    @property
    def short(self) -> str:
        """The title up to its first colon or comma."""
        return re.split(r"[:,]", self.title)[0]


def read_chapter(path: Path, part: str = "") -> Chapter:
    """Read a notebook's title, question, minutes and needs.

    Raises:
        ToolError: if its *Before you start* is incomplete.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    before = re.split(r"^## +Before you start\s*$", prose, flags=re.M)
    if len(before) != 2:
        raise ToolError(f"{path.name} has no section 'Before you start'")
    rows = dict(re.findall(r"^- \*\*(\w+):\*\*(.*(?:\n +.*)*)", before[1].split("\n## ")[0], re.M))
    minutes = re.search(r"(\d+) minutes", rows.get("Time", ""))
    if minutes is None or "Chapters" not in rows or "Hardware" not in rows:
        raise ToolError(f"{path.name}: 'Before you start' lists chapters, time and hardware")
    question = re.search(r"^# .*\n+\*\*(.+?)\*\*", prose, re.M)
    return Chapter(
        number=int(path.name[:2]),
        stem=path.stem,
        part=part,
        title=re.search(r"^# +(.+?)\s*$", prose, re.M)[1],
        question=question[1] if question else "",
        minutes=int(minutes[1]),
        needs=needs_of(rows["Chapters"]),
    )


def needs_of(row: str) -> tuple[int, ...]:
    """Return the numbers of the chapters that a row links; "[..](01_x) to [..](04_y)" means all between."""
    link = r"(?:\]\(|\{doc\}`)(\d\d)_\w+(?:\.ipynb\)|`)"
    needs = {int(number) for number in re.findall(link, row)}
    for first, last in re.findall(rf"{link} to \[[^\]]*{link}", row):
        needs |= set(range(int(first), int(last) + 1))
    return tuple(sorted(needs))


def read_chapters(root: Path) -> list[Chapter]:
    """Read all chapters of the table of contents, in its order.

    Raises:
        ToolError: if a chapter's list is incomplete, or names a chapter that isn't earlier.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    paths = [(root / f"{entry['file']}.ipynb", part["caption"]) for part in toc["parts"] for entry in part["chapters"]]
    chapters = [read_chapter(path, part) for path, part in paths if re.match(r"\d\d_", path.name)]
    numbers = [chapter.number for chapter in chapters]
    for place, chapter in enumerate(chapters):
        if not set(chapter.needs) <= set(numbers[:place]):
            raise ToolError(f"chapter {chapter.number} needs {chapter.needs}: not all are earlier")
    return chapters


def all_needs(chapters: Sequence[Chapter]) -> dict[int, tuple[int, ...]]:
    """Return for each number everything that has to be read before, also through others, in order."""
    needed = {}
    for chapter in chapters:
        deep = {number for near in chapter.needs for number in needed[near]}
        needed[chapter.number] = tuple(sorted(deep | set(chapter.needs)))
    return needed
