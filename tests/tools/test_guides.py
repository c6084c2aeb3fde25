"""The teaching part: every chapter has a whole guide, times add up, and what is named exists."""

import ast
import json
import re
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from pydoc import locate

import pytest
from _tools import guides as teaching
from _tools import repository

from helpers.exercises.expectations import expect, expectations, from_estimate, over_relations, over_seeds
from helpers.statistics import Estimate

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "book" / "teaching"
CHAPTERS = {int(path.name[:2]): path for path in repository.chapters(ROOT)}
PAGES = sorted(FOLDER.glob("*.md"))
GUIDES = teaching.read_guides(FOLDER)
COURSE = (FOLDER / "course.md").read_text(encoding="utf-8")
PARTS = ["Talking points", "The mistake, and the question that reveals it", "What to expect", "Exercises"]
ROW = re.compile(r"^\| *(\d\d:\d\d|\d+) *\| *(\d+) *\| *(.+?) *\|$", re.M)

each_guide = pytest.mark.parametrize("chapter", CHAPTERS)


@cache
def prose(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def headings(path: Path) -> list[str]:
    return re.findall(r"^## +(.+?)\s*$", prose(path), re.M)


def labels(chapter: int) -> list[str]:
    return re.findall(r":label: *(ex-\S+)", prose(CHAPTERS[chapter]))


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", title.lower())


def part(text: str, title: str) -> str:
    return re.split(rf"^### {re.escape(title)}.*$", text, flags=re.M)[1].split("\n### ")[0].split("\n(guide-")[0]


def tables(text: str) -> list[list[list[str]]]:
    """The pipe tables of a text: rows of cells, the head first, without the rule under it."""
    blocks = re.findall(r"(?:^\|.*\|\n?)+", text, re.M)
    rows = [[re.split(r" *\| *", line.strip("| \n")) for line in block.strip().splitlines()] for block in blocks]
    return [[row for row in block if not set("".join(row)) <= set("-: ")] for block in rows]


@each_guide
def test_every_chapter_has_a_whole_guide(chapter: int):
    guide = GUIDES[chapter]
    title = re.search(r"^# (.+)$", prose(CHAPTERS[chapter]), re.M)[1]
    assert f"## Chapter {chapter}: [{title}](../{CHAPTERS[chapter].name})" in guide.text
    for name in (*PARTS, "Project: "):
        assert f"\n### {name}" in guide.text, f"no {name}"
    assert re.findall(r"\d+ minutes of (?:lecture|lab)", guide.time) and "lecture" in guide.time and "lab" in guide.time
    assert "?" in guide.question
    assert 4 <= len(guide.points) <= 7
    assert "{code-cell}" in part(guide.text, "What to expect")


@each_guide
def test_talking_points_follow_the_chapter(chapter: int):
    order = [slug(title) for title in headings(CHAPTERS[chapter])]
    places = [order.index(slug(point.anchor)) for point in GUIDES[chapter].points]
    assert places == sorted(places)


@each_guide
def test_all_exercises_are_commented(chapter: int):
    (table,) = tables(part(GUIDES[chapter].text, "Exercises"))
    assert [re.search(r"ex-\d\d-\d", row[0])[0] for row in table[1:]] == labels(chapter)
    assert all(len(row[1]) > 40 for row in table[1:])


@each_guide
def test_a_project_has_four_criteria_on_three_levels_and_calls_that_exist(chapter: int):
    text = part(GUIDES[chapter].text, "Project: ")
    (rubric,) = tables(text)
    assert len(rubric) == 5 and all(len(row) == 4 and all(row) for row in rubric)
    calls = re.findall(r"`helpers\.([\w.]+)`", text)
    assert calls or "python -m helpers" in text, "a project says where it begins"
    for call in calls:
        assert locate(f"helpers.{call}") is not None, call


def test_rubrics_are_their_own():
    criteria = [row[0] for guide in GUIDES.values() for row in tables(part(guide.text, "Project: "))[0][1:]]
    assert max(criteria.count(name) for name in criteria) <= 3, "a rubric says what this project asks"


@each_guide
def test_expected_numbers_name_sections_of_their_chapter(chapter: int):
    """A section is named in the cell itself, as a string that is a heading of the chapter."""
    titles = headings(CHAPTERS[chapter])
    code = re.findall(
        r"```\{code-cell\} ipython3\n(?::[^\n]*\n)*(.*?)```", part(GUIDES[chapter].text, "What to expect"), re.S
    )
    strings = [
        n.value for n in ast.walk(ast.parse(code[0])) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]
    assert any(title in strings for title in titles)
    calls = [n for n in ast.walk(ast.parse(code[0])) if isinstance(n, ast.Call)]
    named = {k.value.value for c in calls for k in c.keywords if k.arg == "where" and isinstance(k.value, ast.Constant)}
    assert named <= set(titles), named - set(titles)


def test_labels_that_are_named_exist():
    known = {label for chapter in CHAPTERS for label in labels(chapter)}
    for path in PAGES:
        assert set(re.findall(r"\{ref\}`(ex-[^`]+)`", path.read_text(encoding="utf-8"))) <= known


def test_links_lead_somewhere():
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)", text):
            assert (FOLDER / target).is_file(), f"{path.name}: {target}"
            if anchor:
                assert slug(anchor) in map(slug, headings(FOLDER / target)), f"{path.name}: {target}#{anchor}"
        for target in re.findall(r"\{doc\}`([^`<]+)`", text):
            assert any((FOLDER / f"{target}{end}").is_file() for end in (".md", ".ipynb")), target


def test_eight_sessions_of_ninety_minutes():
    sessions = re.split(r"^### Session \d+: ", COURSE, flags=re.M)[1:]
    assert len(sessions) == 8
    for session in sessions:
        at = 0
        for start, minutes, what in ROW.findall(session.split("\n### ")[0].split("\n## ")[0]):
            assert int(start) == at, what
            at += int(minutes)
        assert at == 90


def test_the_one_day_version_adds_up_to_six_hours():
    rows = ROW.findall(COURSE.split("## A one-day version")[1].split("\n## ")[0])
    clock, work = None, 0
    for at, minutes, what in rows:
        now = datetime.strptime(at, "%H:%M")
        assert clock in (None, now), what
        clock = now + timedelta(minutes=int(minutes))
        work += 0 if what in ("Break", "Lunch") else int(minutes)
    assert work == 360


def test_every_chapter_has_a_place_in_the_course():
    plan = COURSE.split("## Eight sessions")[1].split("## A one-day version")[0]
    named = re.findall(r"Chapters? ([\d, and]+)", plan)
    assert {int(n) for numbers in named for n in re.findall(r"\d+", numbers)} >= set(CHAPTERS)


def test_no_number_of_a_table_is_typed():
    for path in PAGES:
        words = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|^\|.*$", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
        typed = re.findall(r"\d\s?%|\b\d+\.\d+\b", words.replace("*bootstrap*, 95 % of", ""))
        assert typed == [], path.name


GUIDE = """## Chapter 1: [Title](../01_a.ipynb)

**Goal.** To see
two lines.

**Time.** Long.

1. [First](../01_a.ipynb#first): say this
   and that.
2. [Second](../01_a.ipynb#second-one): more.

**Mistake.** One.

**Question.** Why?

**Answer.** So.
"""


def test_a_guide_is_read():
    guide = teaching.read_guide(1, GUIDE)
    assert guide.goal == "To see two lines." and guide.question == "Why?" and guide.answer == "So."
    assert [point.anchor for point in guide.points] == ["first", "second-one"]
    assert guide.points[0].text.endswith("say this and that.")
    with pytest.raises(ValueError, match="Answer"):
        teaching.read_guide(1, GUIDE.replace("**Answer.**", "Answer:"))


def test_rows_of_what_to_expect():
    row = from_estimate("recall", Estimate(0.5, 0.25, 0.75), where="Here", unit="%")
    assert (row["expect"], row["tolerance"], row["section"]) == ("50 %", "25\xa0% to 75\xa0%", "Here")
    assert over_seeds("heads", [17, 18], where="Here")["tolerance"] == "17 to 18"
    assert over_relations("edges", range(101), where="Here")["tolerance"] == "5 to 95"
    exact = expect("edges", 3628, 3628, 3628, rule="exact", where="Here")
    assert exact["expect"] == "3,628" and exact["tolerance"] == "none"
    assert list(expectations(row, exact).columns) == ["expect", "tolerance", "rule", "section"]
    with pytest.raises(ValueError, match="choose from prompts"):
        expect("x", 1, 0, 2, rule="luck", where="Here")
    with pytest.raises(ValueError, match="isn't between"):
        expect("x", 3, 0, 2, rule="seeds", where="Here")
