"""The map of chapters says what the chapters say: each is on it, and needs only earlier ones."""

import json
import re
import sys
from pathlib import Path

import pytest
from _tools import chapters as chapters_of_book
from _tools import repository
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import chapter_map  # noqa: E402

CHAPTERS = chapters_of_book.read_chapters(ROOT)


def page() -> BeautifulSoup:
    return BeautifulSoup(chapter_map.draw(CHAPTERS, lambda c: f"{c.stem}.html"), "html.parser")


def test_every_chapter_is_on_the_map_in_order_with_its_minutes():
    assert [c.stem for c in CHAPTERS] == [path.stem for path in repository.chapters(ROOT)]
    assert [c.number for c in CHAPTERS] == sorted({c.number for c in CHAPTERS})
    for chapter in CHAPTERS:
        assert 10 <= chapter.minutes <= 180 and chapter.question.endswith("?") and chapter.title


def test_no_chapter_needs_a_later_one_and_all_but_the_first_need_some():
    assert CHAPTERS[0].needs == () and all(c.needs for c in CHAPTERS[1:])
    assert all(need < c.number for c in CHAPTERS for need in c.needs)


def test_every_chapter_named_before_the_start_is_a_need():
    for chapter in CHAPTERS:
        cells = json.loads((ROOT / "book" / f"{chapter.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        prose = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        row = re.search(r"^- \*\*Chapters:\*\*(.*?)\n- \*\*", prose, re.M | re.S)[1]
        assert {int(n) for n in re.findall(r"\b(\d\d)_\w+", row)} <= set(chapter.needs)


@pytest.mark.parametrize(
    ("row", "needs"),
    [
        (" none; this is the first.", ()),
        (" {doc}`01_a`.", (1,)),
        (" [A](02_a.ipynb) and [B](03_b.ipynb): cuts.", (2, 3)),
        (" [A](01_a.ipynb) to [D](04_d.ipynb), and [E](10_e.ipynb).", (1, 2, 3, 4, 10)),
    ],
)
def test_needs_are_read_from_links(row, needs):
    assert chapters_of_book.needs_of(row) == needs


def test_needs_of_needs_count():
    def chapter(number, *needs):
        return chapters_of_book.Chapter(number, f"0{number}_x", "Part", "T: x", "Q?", 10, needs)

    chapters = [chapter(1), chapter(2, 1), chapter(3, 1), chapter(4, 2)]
    assert chapters_of_book.all_needs(chapters) == {1: (), 2: (1,), 3: (1,), 4: (1, 2)}
    rows = BeautifulSoup(chapter_map.draw(chapters, lambda c: c.stem), "html.parser").select(".kc-map-row")
    assert [row["data-total"] for row in rows] == ["10", "20", "20", "30"] and rows[3]["data-needs"] == "1 2"


def test_the_picture_has_a_link_for_each_chapter_and_an_arc_for_each_need():
    links = page().select(".kc-map-rows a")
    assert [link["href"] for link in links] == [f"{c.stem}.html" for c in CHAPTERS]
    arcs = {(path["data-from"], path["data-to"]) for path in page().select("svg path")}
    assert arcs == {(str(need), str(c.number)) for c in CHAPTERS for need in c.needs}
    parts = [part.get_text() for part in page().select(".kc-map-part")]
    assert parts == list(dict.fromkeys(c.part for c in CHAPTERS))
    assert page().svg["aria-hidden"] == "true"


def test_the_table_says_the_same_in_words():
    rows = page().select("tbody tr")
    for row, chapter in zip(rows, CHAPTERS, strict=True):
        texts = [cell.get_text() for cell in row.find_all(["th", "td"])]
        assert texts[0].startswith(f"{chapter.number}. ") and texts[3] == str(chapter.minutes)
        assert texts[2] == (", ".join(map(str, chapter.needs)) or "–")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# T\n\n**Q?**\n", "no section"),
        ("# T\n\n**Q?**\n\n## Before you start\n\n- **Chapters:** none.\n- **Hardware:** CPU.\n", "lists chapters"),
    ],
)
def test_a_chapter_that_lacks_its_list_stops_the_build(text, message, tmp_path):
    path = tmp_path / "01_a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [text]}]}))
    with pytest.raises(ValueError, match=message):
        chapters_of_book.read_chapter(path, "Part")


def test_a_need_that_comes_later_stops_the_build(tmp_path):
    rows = "- **Chapters:** [B](02_b.ipynb).\n- **Time:** 9 minutes.\n- **Hardware:** CPU.\n"
    lines = f"# T\n\n**Q?**\n\n## Before you start\n\n{rows}"
    (tmp_path / "01_a.ipynb").write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [lines]}]}))
    toc = "parts:\n- caption: P\n  chapters:\n  - file: 01_a\n"
    (tmp_path / "_toc.yml").write_text(toc)
    with pytest.raises(ValueError, match="not all are earlier"):
        chapters_of_book.read_chapters(tmp_path)
