"""What a slide can be made of: the parts of a chapter's built page.

The pages are those of ``make book``: figures stand in them with their numbers and scripts, so slides need no kernel. A
part keeps the HTML of the page, without links, anchors and section numbers, which mean nothing on a slide.
"""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag

KEY_LENGTH = 230  # characters of a section's key sentences, at most; a first sentence is never cut
AROUND = {"Before you start", "You will be able to", "Exercises", "Summary", "References"}
DULL = re.compile(r"changed|as the code|does something")  # that a run is sound, and nothing about the model
EXERCISE = re.compile(r"\((?P<title>.+) · (?P<level>easy|medium|hard) · (?P<minutes>\d+) minutes\)")


@dataclass(frozen=True)
class SlideFigure:
    """A figure: its title, the drawing as HTML, its text alternative, and the paragraph behind it and its checks."""

    title: str
    drawing: str
    alt: str
    said: str


@dataclass(frozen=True)
class SlideTable:
    """A table of verdicts: its head and its rows, each as HTML."""

    head: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class SlideSection:
    """A section: heading, anchor in the page, key sentence, first list, what its asserts claim, and what it shows."""

    title: str
    anchor: str
    key: str
    points: tuple[str, ...]
    checks: tuple[str, ...]
    shown: tuple[SlideFigure | SlideTable, ...]


@dataclass(frozen=True)
class SlideExercise:
    """An exercise without its solution: number, title, level, minutes, statement and stub."""

    number: str
    title: str
    level: str
    minutes: int
    statement: str
    stub: str


@dataclass(frozen=True)
class ChapterPage:
    """The parts of a chapter's page."""

    title: str
    question: str
    goals: tuple[str, ...]
    sections: tuple[SlideSection, ...]
    exercises: tuple[SlideExercise, ...]
    summary: tuple[str, ...]
    math: bool


def inner(element: Tag) -> str:
    """The HTML inside an element, without links, anchors, numbers of sections and identifiers."""
    clean = copy.copy(element)
    for extra in clean.select("a.headerlink, .section-number, script"):
        extra.decompose()
    for link in clean.find_all("a"):
        link.unwrap()
    for each in clean.find_all(True):
        each.attrs.pop("id", None)
    return clean.decode_contents().strip()


def key_sentence(paragraph: Tag) -> str:
    """The first sentences of a paragraph, up to `KEY_LENGTH` characters but at least one, as HTML."""
    kept, length = [], 0
    for child in paragraph.children:
        if not isinstance(child, NavigableString):
            kept.append(child)
            length += len(child.get_text())
            continue
        for sentence in re.findall(r".*?[.?!]\s+(?=[A-Z])|.+", child, re.S):
            if length + len(sentence) > KEY_LENGTH and _ended(kept):
                return _joined(kept)
            kept.append(NavigableString(sentence))
            length += len(sentence)
    return _joined(kept)


def _ended(parts: list[Tag | NavigableString]) -> bool:
    return bool(parts) and parts[-1].get_text().rstrip()[-1:] in (".", "?", "!")


def _joined(parts: list[Tag | NavigableString]) -> str:
    """Parts as HTML, up to the last end of a sentence in the text between elements."""
    ends = [i for i, part in enumerate(parts) if isinstance(part, NavigableString) and _ended([part])]
    whole = parts[: ends[-1] + 1] if ends else parts
    holder = BeautifulSoup("<p></p>", "html.parser").p
    for part in whole:
        holder.append(copy.copy(part))
    return inner(holder)


def claims(section: Tag) -> tuple[str, ...]:
    """What the asserts of a section's cells say, each once; not that a patch did something."""
    found: list[str] = []
    for cell in section.select("div.cell_input pre"):
        for node in ast.walk(_tree(cell.get_text())):
            if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant) and isinstance(node.msg.value, str):
                if node.msg.value not in found and " " in node.msg.value and not DULL.search(node.msg.value):
                    found.append(node.msg.value)
    return tuple(found)


def figure_of(element: Tag) -> SlideFigure:
    """A figure block of a page as a part for a slide."""
    title = element.select_one(".kc-title")
    alt = str(element.get("aria-label", ""))
    cell = element.find_parent("div", class_="cell")
    after = (
        next((each for each in cell.find_next_siblings() if "cell" not in each.get("class", [])), None)
        if cell
        else None
    )
    drawing = copy.copy(element)
    for extra in drawing.select(".kc-title, .kc-subtitle, .kc-data, details, figcaption"):
        extra.decompose()
    said = inner(after) if after is not None and after.name == "p" else ""
    return SlideFigure(inner(title) if title else "", str(drawing), alt, said)


def table_of(element: Tag) -> SlideTable | None:
    """A table of verdicts as a part for a slide, or None for other tables."""
    body = element.find("tbody")
    if body is None or not any(cell.get_text(strip=True) == "verdict" for cell in element.select("thead th")):
        return None
    head = "".join(f"<tr>{inner(row)}</tr>" for row in element.select("thead tr"))
    return SlideTable(head, tuple(f"<tr>{inner(row)}</tr>" for row in body.find_all("tr")))


def section_of(element: Tag) -> SlideSection:
    """A section of a page, with those inside it, as a part for slides."""
    shown: list[SlideFigure | SlideTable] = []
    for each in element.select(".kc-figure, div.cell_output table"):
        if each.name == "table":
            table = None if each.find_parent(class_="kc-figure") else table_of(each)
            shown += [table] if table else []
        else:
            shown.append(figure_of(each))
    texts = [p for p in element.find_all("p") if p.parent.name == "section" and not _remark(p)]
    key = key_sentence(texts[0]) if texts else ""
    return SlideSection(
        inner(element.h2), str(element.get("id", "")), key, items(element), claims(element), tuple(shown)
    )


def _remark(paragraph: Tag) -> bool:
    """Whether a paragraph only says on which model a section runs."""
    return paragraph.get_text(strip=True).startswith("Atlas only")


def exercise_of(element: Tag) -> SlideExercise | None:
    """An exercise as a part for a slide; None if its head isn't one of this book's."""
    head = element.select_one(".admonition-title")
    found = EXERCISE.search(head.get_text()) if head else None
    if not found:
        return None
    stub = element.select_one("div.cell_input pre")
    statement = "".join(_as_statement(child) for child in element.select_one("section, div").children)
    number = re.search(r"[\d.]*\d", head.get_text())
    return SlideExercise(
        number[0] if number else "",
        found["title"],
        found["level"],
        int(found["minutes"]),
        statement,
        stub_of(stub.get_text()) if stub else "",
    )


def stub_of(code: str) -> str:
    """What a stub leaves to write: its functions, and its names that are None."""
    empty = [
        node
        for node in _tree(code).body
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is None)
    ]
    return "\n\n".join(ast.unparse(node) for node in empty)


def _tree(code: str) -> ast.Module:
    """Parse a cell, with lines that only IPython understands replaced; nothing if it isn't Python."""
    try:
        return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.M))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _as_statement(part: Tag | NavigableString) -> str:
    """A part of an exercise as it stands on a slide: paragraphs, lists and code, but no cells."""
    if not isinstance(part, Tag) or "cell" in part.get("class", []):
        return ""
    if part.name == "div" and part.find("pre"):
        return f"<pre>{inner(part.find('pre'))}</pre>"
    return f"<{part.name}>{inner(part)}</{part.name}>" if part.name in ("p", "ul", "ol") else ""


def items(section: Tag | None) -> tuple[str, ...]:
    """The points of a section's first list."""
    points = section.find("ul") if section else None
    return tuple(inner(item.find("p") or item) for item in points.find_all("li", recursive=False)) if points else ()


def read_page(path: Path) -> ChapterPage:
    """Read a chapter's built page.

    Raises:
        ValueError: if the page isn't that of a chapter.
    """
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
    top = article.find("section") if article else None
    if top is None or top.h1 is None:
        raise ValueError(f"{path.name} isn't the page of a chapter: it has no article with a title")
    parts = {inner(s.h2): s for s in top.find_all("section", recursive=False) if s.h2}
    exercises = parts["Exercises"].select("div.exercise") if "Exercises" in parts else []
    found = [exercise_of(each) for each in exercises]
    question = top.select_one("p > strong")
    return ChapterPage(
        title=inner(top.h1),
        question=inner(question) if question else "",
        goals=items(parts.get("You will be able to")),
        sections=tuple(section_of(s) for name, s in parts.items() if name not in AROUND),
        exercises=tuple(e for e in found if e),
        summary=items(parts.get("Summary")),
        math=bool(top.select_one(".math")),
    )
