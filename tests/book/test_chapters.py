"""The shape of the book: chapters have the same parts in the same order, and nothing that breaks a run."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from _tools import repository

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
CHAPTERS = repository.chapters(ROOT)
PAGES = sorted(BOOK.glob("*.md")) + sorted(BOOK.glob("teaching/*.md"))
PARTS = ["Before you start", "You will be able to", "Exercises", "Summary", "References"]

EXERCISE = re.compile(r"^`{3,}\{exercise(?:-start)?\}[ ]*(?P<title>.*)\n(?P<body>(?::.*\n)*)", re.M)
SOLUTION = re.compile(r"^`{3,}\{solution(?:-start)?\}[ ]*(?P<label>\S+)[ ]*\n(?P<body>(?::.*\n)*)", re.M)
MAGIC = re.compile(r"^( *)%.*$", re.M)
HINT = re.compile(r"^```\{admonition\} Hint\n:class: dropdown tip kc-hint\n(?P<text>(?:.+\n)+)```", re.M)
EXERCISE_TITLE = re.compile(r".+ · (easy|medium|hard) · \d+ minutes")


def cells(path: Path, kind: str) -> list[str]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def prose(path: Path) -> str:
    return "\n\n".join(cells(path, "markdown")) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")


def without_fences(text: str) -> str:
    """Return markdown without code blocks and directives, which may hold lines that look like headings."""
    kept, fence = [], ""
    for line in text.splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if fence:
            if mark and line.strip() == mark[1] and len(mark[1]) >= len(fence):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def headings(path: Path) -> list[tuple[int, str]]:
    found = re.findall(r"^(#{1,6}) +(.+?)\s*$", without_fences(prose(path)), re.M)
    return [(len(marks), title) for marks, title in found]


def section(path: Path, title: str) -> str:
    """Return the prose below a heading of level 2, up to the next one."""
    return re.split(rf"^## +{re.escape(title)}\s*$", prose(path), flags=re.M)[1].split("\n## ")[0]


def trees(path: Path) -> list[ast.Module]:
    """Parse every code cell, with lines that only IPython understands replaced."""
    return [ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.M)) for code in cells(path, "code")]


def contents() -> list[str]:
    """List the files that the table of contents names."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("path", CHAPTERS + PAGES, ids=lambda path: path.stem)


def test_the_contents_and_the_files_agree():
    listed = contents()
    assert len(set(listed)) == len(listed)
    assert sorted(listed) == sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in CHAPTERS + PAGES)
    numbered = [name for name in listed if re.match(r"book/\d", name)]
    assert numbered == sorted(numbered), "chapters stand in the order of their numbers"


def test_the_readme_lists_every_chapter():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in CHAPTERS:
        title = headings(path)[0][1]
        assert f"[{title}](book/{path.name})" in readme


@each_page
def test_headings_step_by_one_level(path: Path):
    levels = [level for level, _ in headings(path)]
    assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


@each_page
def test_the_question_comes_first(path: Path):
    after_title = re.split(r"^# .*$", without_fences(prose(path)), flags=re.M)[1].strip()
    assert re.match(r"\*\*[^*]*\?\*\*", after_title) or path.stem == "references"


@each_page
def test_images_have_text_alternatives(path: Path):
    text = prose(path)
    assert not re.search(r"!\[\s*\]\(", text)
    for name, options in re.findall(r"\{(image|figure)\} .*\n((?:\s*:.*\n)*)", text):
        assert re.search(r":alt: *\S", options), name


@each_chapter
def test_a_chapter_has_all_its_parts_in_order(path: Path):
    titles = [title for level, title in headings(path) if level == 2]
    assert [title for title in titles if title in PARTS] == PARTS
    assert titles[:2] == PARTS[:2] and titles[-3:] == PARTS[-3:]
    assert len(titles) >= len(PARTS) + 2, "there are sections between the goals and the exercises"


@each_chapter
def test_a_chapter_says_what_it_needs_and_gives(path: Path):
    before = section(path, "Before you start")
    assert re.search(r"\d+ minutes", before) and "CPU" in before
    goals = re.findall(r"^- ", section(path, "You will be able to"), re.M)
    assert 3 <= len(goals) <= 5
    assert "You have" in section(path, "Summary")
    assert "{cite" in section(path, "References")


@each_chapter
def test_the_first_code_cell_is_the_setup_cell(path: Path):
    assert cells(path, "code")[0] == repository.setup_cell(repository.stamped(ROOT))


@each_chapter
def test_the_notebook_is_clean(path: Path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            assert "raises-exception" not in cell["metadata"].get("tags", [])


@each_chapter
def test_a_chapter_can_be_read_in_one_sitting(path: Path):
    """Up to the exercises: 25 code cells and 2,000 words at most."""
    cells, words = 0, 0
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text, *rest = "".join(cell["source"]).split("## Exercises")
        cells += cell["cell_type"] == "code"
        words += len(text.split()) * (cell["cell_type"] == "markdown")
        if rest:
            break
    assert rest, "no exercises"
    assert cells <= 25 and words <= 2000


@each_chapter
def test_code_cells_are_short(path: Path):
    def lines_of(code: str) -> int:
        """The lines of a cell but for those that import."""
        tree = ast.parse(MAGIC.sub(r"\1pass", code))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        return len(code.strip().splitlines()) - sum(n.end_lineno - n.lineno + 1 for n in imports)

    folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"}  # what a reader needn't read
    code = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    assert max(lines_of("".join(c["source"])) for c in code) <= 30
    lengths = [lines_of("".join(c["source"])) for c in code if not folded & set(c["metadata"].get("tags", []))]
    assert sum(length > 15 for length in lengths) <= len(lengths) / 10, "cells have at most 15 lines, few have more"


@each_chapter
def test_a_chapter_checks_itself(path: Path):
    assert any(isinstance(node, ast.Assert) for tree in trees(path) for node in ast.walk(tree))


@each_chapter
def test_a_chapter_leaves_paths_alone(path: Path):
    code = "\n".join(cells(path, "code"))
    assert "sys.path" not in code and "chdir" not in code


@each_chapter
def test_every_figure_has_a_text_alternative(path: Path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell, tree in zip(code, trees(path), strict=True):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "show":
                source = ast.unparse(node)
                if source.startswith("plt."):
                    assert cell["metadata"]["mystnb"]["image"]["alt"].strip(), source
                    continue
                assert source.startswith("display.show("), f"use display.show: {source}"
                assert any(keyword.arg == "alt" for keyword in node.keywords), source
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            source = ast.unparse(last)
            assert not re.fullmatch(r"fig(ure)?\w*", source), f"use display.show: {source}"
            assert not re.match(r"(cv|go|px)\.", source), f"use display.show: {source}"


@each_chapter
def test_exercises_have_label_level_minutes_and_a_folded_solution(path: Path):
    text = prose(path)
    exercises = list(EXERCISE.finditer(text))
    assert len(exercises) >= 3
    folded = [s["label"] for s in SOLUTION.finditer(text) if re.search(r":class: .*\bdropdown\b", s["body"])]
    for exercise in exercises:
        assert EXERCISE_TITLE.fullmatch(exercise["title"].strip()), exercise["title"]
        label = re.search(r":label: *(\S+)", exercise["body"])
        assert label, f"{exercise['title']} has no label"
        assert folded.count(label[1]) == 1, f"{label[1]} needs one folded solution"
    for kind in ("exercise", "solution"):
        assert text.count(f"{{{kind}-start}}") == text.count(f"{{{kind}-end}}")


@each_chapter
def test_each_exercise_has_one_folded_hint(path: Path):
    """The hint stands inside the exercise, before the cell where the reader tries."""
    for block in prose(path).split("{exercise-start}")[1:]:
        title, asked = block.splitlines()[0].strip(), block.split("{exercise-end}")[0]
        assert len(HINT.findall(asked)) == 1, f"{title}: needs exactly one hint, in the form that CONTRIBUTING.md shows"
        assert "{admonition} Hint" not in block.split("{exercise-end}")[1], f"{title}: a hint outside the exercise"


def test_labels_of_exercises_are_unique():
    labels = [label for path in CHAPTERS for label in re.findall(r":label: *(\S+)", prose(path))]
    assert [label for label, times in Counter(labels).items() if times > 1] == []


def test_requirements_are_pinned():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line), line
    assert "torch==2.13.0" in lines


def test_continuous_integration_runs_lint_test_and_book():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script and "for step in lint test book" in script
