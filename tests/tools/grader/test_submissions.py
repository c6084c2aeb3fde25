"""Which chapter a submission belongs to, which cell answers which exercise; all chapters are regular enough for it."""

import builtins
import importlib
import json

import pytest
from _tools.grader.cells import bound, statements, used
from _tools.grader.submissions import BOOK, GradingError, match, read_chapter
from submissions import answer_cells, filled, save, tiny

CHAPTERS = sorted(BOOK.glob("[0-9]*.ipynb"))
NOTHING = "Not attempted yet."


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    tiny(folder)
    return folder


@pytest.fixture
def submit(book, tmp_path):
    """Change a tiny submission, and match it."""

    def submitted(change=lambda notebook: None, answers=None):
        notebook = filled(book / "90_tiny.ipynb", answers or {})
        change(notebook)
        return match(save(tmp_path, "mine", notebook), book)[1]

    return submitted


def code_of(attempt):
    assert not attempt.reason
    return attempt.code


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_can_be_graded(path, tmp_path):
    chapter, empty = match(path)
    cells = answer_cells(json.loads(path.read_text(encoding="utf-8")))
    assert [attempt.exercise.label for attempt in empty] == list(cells) and len(cells) >= 3
    assert {attempt.reason for attempt in empty} == {NOTHING}
    checks = importlib.import_module(f"helpers.exercises.chapter_{chapter.number:02d}")
    right = match(save(tmp_path, "right", filled(path)))[1]
    for attempt in right:
        exercise, code = attempt.exercise, code_of(attempt)
        assert callable(getattr(checks, exercise.check.func.attr)) and exercise.points in (1, 2, 3)
        defined = set().union(*map(bound, statements(code)))
        assert set(exercise.names) <= defined and "chapter_" not in code
        prepared = statements(chapter.prepared([code], [exercise.label]))
        there = set().union(defined, dir(builtins), *map(bound, prepared))
        lacking = set().union(used(exercise.check), *map(used, statements(code))) - there
        assert lacking <= outside_names(path, exercise.label), f"{exercise.label} would not know {lacking}"


def outside_names(path, label):
    """What other solutions define and a solution shows off with behind its answer."""
    cells = answer_cells(json.loads(path.read_text(encoding="utf-8")))
    others = [cell for name, both in cells.items() if name != label for cell in both["solution"]]
    return set().union(*(bound(node) for cell in others for node in statements("".join(cell["source"]))))


def test_levels_points_and_names(book):
    chapter = read_chapter(book / "90_tiny.ipynb")
    assert (chapter.number, chapter.title) == (90, "A tiny chapter")
    assert [(e.label, e.title, e.points) for e in chapter.exercises] == [
        ("ex-90-1", "Twice", 1),
        ("ex-90-2", "The largest", 2),
        ("ex-90-3", "First and rest", 3),
    ]
    assert chapter.exercises[2].names == ("first", "second")


def test_the_chapter_runs_what_an_answer_needs_and_no_solution(book):
    chapter = read_chapter(book / "90_tiny.ipynb")
    code = chapter.prepared(["largest = table[3]"], ["ex-90-2"])
    assert "table.append(7)" in code and "def is_largest" in code
    assert "1 / 0" not in code and "arange" not in code and "largest = max" not in code
    assert "vector = torch.arange" in chapter.prepared([], ["ex-90-3"])


def test_an_empty_submission_is_not_attempted(submit):
    assert [attempt.reason for attempt in submit()] == [NOTHING] * 3
    assert submit(answers={"ex-90-1": "# my answer comes here"})[0].reason == NOTHING
    reworded = "def double(x):  # ?\n    return None\nchapter_90.doubles(double)\n"
    assert submit(answers={"ex-90-1": reworded})[0].reason == NOTHING


def test_checks_in_the_answer_do_not_come_along(submit):
    answer = "from helpers.exercises import chapter_90\ndef double(x): return x + x\nchapter_90.doubles(double)"
    assert code_of(submit(answers={"ex-90-1": answer})[0]) == "def double(x):\n    return x + x"


def test_an_answer_may_have_several_cells_and_hints_between(submit):
    def change(notebook):
        at = next(i for i, cell in enumerate(notebook["cells"]) if "ex-90-1" in cell["source"])
        hint = {"cell_type": "markdown", "metadata": {}, "source": "```{dropdown} Hint\nAdd.\n```"}
        extra = {"cell_type": "code", "metadata": {}, "source": ["import math\n", "two = 2"]}
        notebook["cells"][at]["source"] = notebook["cells"][at]["source"].replace("Twice", "In other words")
        notebook["cells"][at + 1 : at + 1] = [hint, extra]

    attempt = submit(change, {"ex-90-1": "def double(x): return two * x"})[0]
    assert code_of(attempt).splitlines()[:2] == ["import math", "two = 2"] and attempt.exercise.title == "Twice"


def test_an_answer_is_found_by_its_id_if_its_text_was_deleted(submit):
    def change(notebook):
        notebook["cells"] = [c for c in notebook["cells"] if "label: ex-90-1" not in c["source"]]
        for cell in notebook["cells"]:
            cell["metadata"] = {"id": cell.pop("id")}  # as Colab saves it

    assert "x + x" in code_of(submit(change, {"ex-90-1": "def double(x): return x + x"})[0])


def test_a_deleted_cell_is_told(submit):
    def change(notebook):
        notebook["cells"] = [c for c in notebook["cells"] if "double(x)" not in c["source"]]

    reasons = [attempt.reason for attempt in submit(change)]
    assert "missing" in reasons[0] and reasons[1:] == [NOTHING] * 2


def test_what_a_student_wrote_elsewhere_comes_along_if_it_is_used(submit):
    def change(notebook):
        own = "import math\n\ndef helper(x):\n    return x + math.floor(x)\n\nprint(1)\nother = 1 / 0"
        notebook["cells"].insert(2, {"cell_type": "code", "metadata": {}, "source": own})

    code = code_of(submit(change, {"ex-90-1": "def double(x): return helper(x)"})[0])
    assert code.startswith("import math\ndef helper") and "print" not in code and "other" not in code


def test_a_solution_is_no_answer(submit):
    def change(notebook):
        for cells in answer_cells(notebook).values():
            cells["exercise"][0]["source"] = ""

    assert [attempt.reason for attempt in submit(change)] == [NOTHING] * 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def double(x) return", "Not Python: expected ':' in `def double(x) return`."),
        ("def twice(x): return 2 * x", "has to define `double`"),
    ],
)
def test_answers_that_cannot_be_run(submit, answer, says):
    assert says in submit(answers={"ex-90-1": answer})[0].reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no notebook"),
        ("PK\x03\x04 zipped", "no notebook"),
        ('{"cells": [{"cell_type": "code"', "cut off"),
        ("[" * 100_000, "no notebook"),
        ('{"cells": 3}', "no notebook"),
        ('{"cells": [1]}', "no notebook"),
        ('{"a": 1}', "no notebook"),
        ('{"cells": []}', "no exercise of this book"),
        ('{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "no exercise of this book"),
        (
            '{"cells": [{"cell_type": "markdown", "source": "```{exercise-start} A\\n:label: ex-77-1\\n```"}]}',
            "a chapter 77",
        ),
    ],
)
def test_files_that_are_no_submissions(book, tmp_path, text, says):
    path = tmp_path / "other.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GradingError, match=says):
        match(path, book)


def test_missing_files_folders_and_other_bytes(book, tmp_path):
    (tmp_path / "bytes.ipynb").write_bytes(bytes(range(256)))
    for name, says in (("none.ipynb", "no such file"), ("", "a folder"), ("bytes.ipynb", "no notebook")):
        with pytest.raises(GradingError, match=says):
            match(tmp_path / name, book)


def test_a_chapter_without_check_is_told(book):
    path = book / "90_tiny.ipynb"
    path.write_text(
        path.read_text(encoding="utf-8").replace("chapter_90.doubles(double)", "print(1)"), encoding="utf-8"
    )
    with pytest.raises(GradingError, match="ex-90-1 in the book needs"):
        match(path, book)
