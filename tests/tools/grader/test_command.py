"""The command: what it prints and writes, its exit codes; and a real chapter, right and wrong."""

import csv
import json
from pathlib import Path

import pytest
from _tools.__main__ import parser
from _tools.grader import command as grade_command
from _tools.grader.marks import Graded, Limits, Mark, grade
from _tools.grader.submissions import BOOK
from submissions import filled, save

RIGHT = Mark("ex-90-1", "Twice", "easy", 1, 1, "Right.")
WRONG = Mark("ex-90-2", "The largest", "medium", 0, 2, "Not yet: " + "another one is larger, " * 10)


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Call the command with what grading is said to have found."""

    def call(graded, *words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(grade_command, "grade", lambda paths, **options: graded)
        arguments = parser().parse_args(["grade", *(str(one.path) for one in graded), *words])
        try:
            arguments.run(arguments)
            code = 0
        except SystemExit as left:
            code = left.code
        return code, capsys.readouterr().out

    return call


def test_a_submission_gives_a_table(called, tmp_path):
    code, text = called([Graded(Path("ada.ipynb"), 90, "A tiny chapter", (RIGHT, WRONG))])
    assert code == 0 and "ada.ipynb: chapter 90, A tiny chapter" in text and "1 of 3 points" in text
    lines = text.splitlines()
    assert "ex-90-1   Twice        easy    1 of 1  Right." in text and max(map(len, lines)) <= 140
    assert not list(tmp_path.iterdir())


def test_several_give_a_line_each_and_a_file(called, tmp_path):
    graded = [
        Graded(Path("=ada.ipynb"), 90, "A tiny chapter", (RIGHT, WRONG)),
        Graded(Path("b.ipynb"), problem="there is no such file"),
    ]
    code, text = called(graded, "--json", "all.json")
    assert code == 2 and "chapter 90   1 of  3  (1/1 0/2)" in text
    assert "b.ipynb     not graded: there is no such file." in text
    rows = list(csv.DictReader((tmp_path / "grades.csv").open(encoding="utf-8")))
    assert [row["submission"] for row in rows] == ["'=ada.ipynb", "b.ipynb"]
    assert (rows[0]["points"], rows[0]["of"], rows[0]["ex-90-1"], rows[0]["ex-90-2"]) == ("1", "3", "1", "0")
    assert rows[0]["remarks"].startswith("ex-90-2: Not yet") and rows[1]["remarks"] == "there is no such file"
    first, second = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert first["marks"][0]["reason"] == "Right." and first["points"] == 1 and second["problem"]


def test_exit_codes(called):
    assert called([Graded(Path("a"), problem="it is broken", broken=True)])[0] == 1
    assert "more than nothing" in called([Graded(Path("a"))], "--seconds", "0")[0]


def test_a_real_chapter(tmp_path):
    chapter = BOOK / "01_what_does_it_know.ipynb"
    wrong = {
        "ex-01-1": "def fair_recall(hits): return hits.mean(1).max()",
        "ex-01-2": "def baseline(relation): return 1 / len(relation.answers)",
        "ex-01-3": "def first_settled(prompt, answer): return real.cfg.n_layers + 1",
    }
    paths = [save(tmp_path, "right", filled(chapter)), save(tmp_path, "wrong", filled(chapter, wrong))]
    right, missed = grade(paths, limits=Limits(seconds=200))
    assert [mark.reason for mark in right.marks] == ["Right."] * 4 and right.points == right.of == 6
    says = ("that is what flatters", "equally frequent", "layers on, not", "Not attempted yet.")
    assert missed.points == 0 and all(text in mark.reason for text, mark in zip(says, missed.marks, strict=True))
