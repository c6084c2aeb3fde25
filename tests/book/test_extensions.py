"""The extensions at work in a small book: figures that other pages refer to, terms that link to their explanation."""

import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

EXT = Path(__file__).resolve().parents[2] / "book" / "_ext"
PAGES = {
    "index": "Book\n====\n\nAn edge here.\n\n.. toctree::\n\n   04_heads\n   other\n   glossary\n",
    "04_heads": """Heads
=====

An edge, another edge and an :term:`head`; a head.

.. raw:: html

   <div class="kc-figure kc-plot" role="figure" aria-label="A line."><p class="kc-title">It falls</p>x</div>
""",
    "other": "Other\n=====\n\nSee :ref:`fig-4-1`, and :ref:`the fall <fig-4-1>`.\n",
    "glossary": """Glossary
========

.. glossary::

   edge
     What links two heads. More.

   head
     A part.
""",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("small_book")
    for name, text in PAGES.items():
        (home / f"{name}.rst").write_text(text)
    sys.path.insert(0, str(EXT))
    settings = {
        "extensions": ["figures", "glossary_links"],
        "html_theme": "basic",
        "suppress_warnings": ["config.cache"],
    }
    app = Sphinx(home, None, home / "out", home / "trees", "html", settings, status=None, warningiserror=True)
    app.build()
    return home / "out"


def page(built: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((built / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_a_page_refers_to_another_pages_figure_by_its_number(built: Path):
    links = page(built, "other").select('a[href="04_heads.html#fig-4-1"]')
    assert [link.get_text() for link in links] == ["Figure 4.1", "the fall"]
    assert page(built, "04_heads").find("figure", id="fig-4-1").figcaption.get_text().startswith("Figure 4.1. It falls")


def test_first_uses_are_linked_where_the_author_has_not(built: Path):
    (link,) = page(built, "04_heads").select("a.kc-term")
    assert link["href"] == "glossary.html#term-edge" and link["title"] == "What links two heads."
    assert len(page(built, "04_heads").select('a[href="glossary.html#term-head"]')) == 1


def test_the_front_page_and_the_glossary_stay_bare(built: Path):
    assert not page(built, "index").select("a.kc-term") and not page(built, "glossary").select("a.kc-term")
