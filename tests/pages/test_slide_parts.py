"""The built chapters hold what `make slides` looks for."""

from pathlib import Path

import pytest
from _tools import slide_source

PAGES = sorted((Path(__file__).resolve().parents[2] / "_build" / "html" / "book").glob("[0-9][0-9]_*.html"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_chapter_can_be_cut_into_slides(path: Path):
    page = slide_source.read_page(path)
    assert page.question.endswith("?") and len(page.goals) >= 3 and page.summary
    assert len(page.sections) >= 4 and all(section.key for section in page.sections)
    figures = [part for s in page.sections for part in s.shown if isinstance(part, slide_source.SlideFigure)]
    assert len(figures) >= 3 and all(f.alt and "<script" in f.drawing for f in figures)
    assert len(page.exercises) >= 3 and all(e.statement and e.stub for e in page.exercises)
