"""The teacher's guides: read from ``book/teaching``, and their tables of what to expect.

A guide's page has a part for each chapter of one part of the book, marked ``(guide-NN)=``. `read_guides` takes out
what the slides show and the tests ask for. `expect` and its companions make the tables: no number is typed, each comes
from a committed table or from a run, with the interval in which somebody else's number should lie.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHAPTER = re.compile(r"^\(guide-(\d\d)\)=$", re.M)
FIELDS = ("Goal", "Time", "Mistake", "Question", "Answer")


@dataclass(frozen=True)
class TalkingPoint:
    """Something to say, at a section of the chapter (its anchor), in markdown."""

    anchor: str
    text: str


@dataclass(frozen=True)
class Guide:
    """A chapter's guide: what is said in class, in markdown, and the whole text."""

    chapter: int
    goal: str
    time: str
    mistake: str
    question: str
    answer: str
    points: tuple[TalkingPoint, ...]
    text: str


def read_guide(chapter: int, text: str) -> Guide:
    """Read one chapter's guide from its markdown.

    Raises:
        ValueError: if a field is missing.
    """
    said = {}
    for name in FIELDS:
        found = re.search(rf"^\*\*{name}\.\*\* +(.+?)(?=\n\n|\Z)", text, re.M | re.S)
        if not found:
            raise ValueError(f"the guide of chapter {chapter} has no **{name}.**")
        said[name.lower()] = " ".join(found[1].split())
    points = re.findall(r"^\d+\. (\[[^\]]+\]\([^)#]+#([^)]+)\).+?)(?=\n\d+\. |\n\n|\Z)", text, re.M | re.S)
    return Guide(
        chapter=chapter,
        points=tuple(TalkingPoint(anchor, " ".join(point.split())) for point, anchor in points),
        text=text,
        **said,
    )


def read_guides(folder: Path) -> dict[int, Guide]:
    """All guides of a folder of markdown pages, by the chapters' numbers."""
    found = {}
    for path in sorted(folder.glob("*.md")):
        _, *parts = CHAPTER.split(path.read_text(encoding="utf-8"))
        for number, text in zip(parts[::2], parts[1::2], strict=True):
            found[int(number)] = read_guide(int(number), text)
    return dict(sorted(found.items()))
