"""The built chapters hold what `make slides` looks for."""

from pathlib import Path

import pytest
from _tools.slides import deck
from bs4 import BeautifulSoup

PAGES = sorted((Path(__file__).resolve().parents[2] / "_build" / "html" / "book").glob("[0-9][0-9]_*.html"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_chapter_can_be_cut_into_slides(path: Path):
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    made = BeautifulSoup("".join(deck(page, int(path.name[:2]))), "html.parser")
    assert made.select_one(".kc-question").get_text().endswith("?")
    goals, summary = made.select(".on-text")
    assert len(goals.select("li")) >= 3 and summary.select("li")
    keys = [key.get_text() for key in made.select(".on-section .kc-key")]
    assert len(keys) >= 4 and all(keys)
    figures = made.select(".on-figure")
    assert len(figures) >= 3 and all(f.h3.get_text() and f.select_one(".kc-slot :is(script, svg, p)") for f in figures)
    exercises = made.select(".on-exercise")
    assert len(exercises) >= 3 and all(e.find("p", class_=False) and e.pre.get_text() for e in exercises)
