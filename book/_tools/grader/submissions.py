"""Submissions: a student's notebook, the chapter that it was made from, and which cell answers which exercise."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from _tools.grader.cells import bound, check_of, is_checks_import, needed, placeholder, source, statements, used

POINTS = {"easy": 1, "medium": 2, "hard": 3}
BOOK = Path(__file__).resolve().parents[2]
LARGEST = 50_000_000  # bytes; a chapter with all its figures has some megabytes
STARTS = re.compile(
    r"`{3,}\{exercise-start\}[ ]*(?P<title>.*)\n(?:(?!`{3}).*\n)*?:label: *(?P<label>ex-(?P<chapter>\d+)-\d+)"
)
ENDS = re.compile(r"`{3,}\{(?:solution-start|exercise-start)\}|^## ", re.M)
TITLE = re.compile(r"^# +(.+?)\s*$", re.M)
FOLDED, UNFOLDED = "{solution-start}", "{solution-end}"


class GradingError(ValueError):
    """Says in a sentence why something can't be graded."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook."""

    kind: str
    text: str
    id: str = ""


@dataclass(frozen=True)
class Exercise:
    """An exercise as the book states it.

    Attributes:
        stub: the statements that the student finds, without the check.
        names: what the student is to fill in.
        check: the call that judges it.
        cells: the ids of the stub's cells.
    """

    label: str
    title: str
    level: str
    stub: tuple[ast.stmt, ...]
    names: tuple[str, ...]
    check: ast.Call
    cells: frozenset[str]

    @property
    def points(self) -> int:
        """What a right answer is worth."""
        return POINTS[self.level]


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book: its exercises, and what runs before them.

    Attributes:
        program: the statements of all cells that belong neither to a student's answer nor to a solution.
        known: the code of all its cells, in one form, by which a student's own cells are told apart.
    """

    number: int
    title: str
    exercises: tuple[Exercise, ...]
    program: tuple[ast.stmt, ...] = field(repr=False)
    known: frozenset[str] = field(repr=False)

    @cached_property
    def binds(self) -> set[str]:
        """All names that the chapter binds before or between its exercises."""
        return set().union(*map(bound, self.program))

    def prepared(self, codes: Sequence[str], labels: Sequence[str]) -> str:
        """The part of the chapter's code that some answers and the checks of their exercises need."""
        names = set().union(*(used(ast.parse(code)) for code in codes))
        for exercise in self.exercises:
            if exercise.label in labels:
                names |= used(exercise.check)
        return source(needed(self.program, names))


@dataclass(frozen=True)
class Attempt:
    """A student's answer to one exercise: its code, or why there is none to run."""

    exercise: Exercise
    code: str = ""
    reason: str = ""


def read_cells(path: Path) -> list[Cell]:
    """The cells of a notebook file.

    Raises:
        GradingError: if there is no such file, or it isn't a notebook.
    """
    if not path.is_file():
        raise GradingError(
            "there is no such file" if not path.exists() else "this is no file, but a folder or a device"
        )
    if path.stat().st_size > LARGEST:
        raise GradingError(f"the file is larger than {LARGEST // 1_000_000} MB; save the notebook without outputs")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        return [_cell(raw) for raw in notebook["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise GradingError(
            "this is no notebook (or one that was cut off on the way): save it as .ipynb again"
        ) from None


def _cell(raw: dict) -> Cell:
    text = raw["source"] if isinstance(raw["source"], str) else "".join(raw["source"])
    own = raw.get("id") or raw.get("metadata", {}).get("id") or ""  # Colab keeps it in the metadata
    return Cell(str(raw["cell_type"]), text, str(own))


def regions(cells: Sequence[Cell]) -> Iterator[tuple[re.Match, list[Cell]]]:
    """The exercises of a notebook, each with the code cells between its text and its solution."""
    start, inside = None, []
    for cell in cells:
        if cell.kind == "code":
            inside.append(cell)
            continue
        begins = STARTS.search(cell.text)
        if start and (begins or ENDS.search(cell.text)):
            yield start, inside
            start, inside = None, []
        if begins:
            start, inside = begins, []
    if start:
        yield start, inside


def read_exercise(start: re.Match, cells: Sequence[Cell]) -> Exercise:
    """An exercise of the book from its text's first lines and its stub.

    Raises:
        GradingError: if the stub has no check, or nothing to fill in.
    """
    parts = [part.strip() for part in start["title"].split(" · ")]
    nodes = [node for cell in cells for node in statements(cell.text)]
    checks = [call for node in nodes if (call := check_of(node))]
    stub = tuple(node for node in nodes if not check_of(node))
    names = tuple(name for node in stub if (name := placeholder(node)))
    level = next((part for part in parts if part in POINTS), "")
    if len(checks) != 1 or not names or not level or not set(names) & used(checks[0]):
        raise GradingError(
            f"{start['label']} in the book needs a level, a stub with something to fill in, and one check"
        )
    ids = frozenset(cell.id for cell in cells)
    return Exercise(start["label"], parts[0], level, stub, names, checks[0], ids)


def shown(cells: Sequence[Cell]) -> Iterator[Cell]:
    """The code cells outside of solutions."""
    folded = False
    for cell in cells:
        if cell.kind != "code":
            folded = (folded or FOLDED in cell.text) and UNFOLDED not in cell.text
        elif not folded:
            yield cell


def read_chapter(path: Path) -> Chapter:
    """A chapter of the book.

    Raises:
        GradingError: if it has no exercises, or one without a stub or check.
    """
    cells = read_cells(path)
    found = list(regions(cells))
    if not found:
        raise GradingError(f"{path.name} has no exercises")
    exercises = tuple(read_exercise(*region) for region in found)
    nodes = [node for cell in shown(cells) for node in statements(cell.text)]
    program = tuple(node for node in nodes if not check_of(node) and not placeholder(node))
    known = frozenset(source(statements(cell.text)) for cell in cells if cell.kind == "code")
    title = next((m[1] for cell in cells if (m := TITLE.search(cell.text))), path.stem)
    return Chapter(int(found[0][0]["chapter"]), title, exercises, program, known)


def find_chapter(cells: Sequence[Cell], book: Path = BOOK) -> Chapter:
    """The chapter that a submission was made from, by the labels of its exercises.

    Raises:
        GradingError: if it is none of the book's.
    """
    numbers = [int(start["chapter"]) for start, _ in regions(cells)]
    if not numbers:
        raise GradingError(
            "no exercise of this book is in it: it isn't one of the chapters, or all their texts were deleted"
        )
    number = max(set(numbers), key=numbers.count)
    paths = sorted(book.glob(f"{number:02d}_*.ipynb"))
    if not paths:
        raise GradingError(
            f"it belongs to a chapter {number}, which isn't in {book}: another course, or another version"
        )
    return read_chapter(paths[0])


def _spare(chapter: Chapter, cells: Sequence[Cell]) -> list[ast.stmt]:
    """What a student defined outside of solutions, in cells that aren't the chapter's."""
    kept: list[ast.stmt] = []
    for cell in shown(cells):
        try:
            nodes = statements(cell.text)
        except SyntaxError:
            continue
        if source(nodes) not in chapter.known:
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
            kept += [node for node in nodes if isinstance(node, kinds) and not is_checks_import(node)]
    return kept


def match_answer(chapter: Chapter, exercise: Exercise, cells: Sequence[Cell]) -> Attempt:
    """What a submission answers to an exercise.

    The answer stands between the exercise's text and its solution; if the text was deleted, in the cell with the stub's
    id. What it uses from other cells that the student wrote comes along; calls of checks don't.
    """
    own = [c for start, inside in regions(cells) if start["label"] == exercise.label for c in inside]
    own = own or [cell for cell in shown(cells) if cell.id and cell.id in exercise.cells]
    if not own:
        return Attempt(exercise, reason="The answer's cell is missing from the notebook.")
    try:
        nodes = [node for cell in own for node in statements(cell.text)]
    except SyntaxError as error:
        line = (error.text or "").strip()
        return Attempt(exercise, reason=f"Not Python: {error.msg}" + (f" in `{line[:80]}`." if line else "."))
    nodes = [node for node in nodes if not check_of(node) and not is_checks_import(node)]
    stub = [node for node in exercise.stub if not is_checks_import(node)]
    if source(nodes) in ("", source(stub)):
        return Attempt(exercise, reason="Not attempted yet.")
    have = set().union(*map(bound, nodes))
    if missing := [name for name in exercise.names if name not in have]:
        return Attempt(exercise, reason=f"The answer has to define `{missing[0]}`, and doesn't.")
    wanted = set().union(*map(used, nodes)) - have - chapter.binds
    return Attempt(exercise, source([*needed(_spare(chapter, cells), wanted), *nodes]) if wanted else source(nodes))


def match(path: Path, book: Path = BOOK) -> tuple[Chapter, list[Attempt]]:
    """The chapter of a submission, and its answers to all exercises of that chapter.

    Raises:
        GradingError: if the file can't be graded at all.
    """
    cells = read_cells(path)
    chapter = find_chapter(cells, book)
    return chapter, [match_answer(chapter, exercise, cells) for exercise in chapter.exercises]
