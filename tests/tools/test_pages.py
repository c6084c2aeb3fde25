"""The pages of a built book, read as what prints them needs them."""

import pytest
from _tools.pages import NoBook, anchors, book_pages

SIDEBAR = """<nav class="bd-links"><a class="reference internal" href="one.html">1. One</a>
<p class="caption">Part</p><a class="reference internal" href="a%20b.html">2. <em>Two</em></a></nav>"""


def page(title: str, text: str = "") -> str:
    return f"<html>{SIDEBAR}<article><h1>{title}<a class='headerlink' href='#t'>#</a></h1>{text}</article></html>"


@pytest.fixture()
def book(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    section = '<section id="s"><h2>1.1. Some <code>code</code><a class="headerlink" href="#s">#</a></h2></section>'
    links = '<a href="a%20b.html#far">far</a><a href="https://else.where/x#y">out</a><a href="#s">near</a>'
    (folder / "index.html").write_text(page("Book", '<a href="one.html">one</a>'))
    (folder / "one.html").write_text(page("One", section + links))
    (folder / "a b.html").write_text(page("Two", '<p id="far"></p>'))
    return tmp_path


def test_pages_stand_in_the_order_of_the_sidebar(book):
    pages = book_pages(book)
    assert [page.title for page in pages] == ["Book", "1. One", "2. Two"]
    assert [page.part for page in pages] == ["", "", "Part"]
    assert [page.path.name for page in pages] == ["index.html", "one.html", "a b.html"]
    assert all(page.path.is_absolute() for page in pages)
    assert pages[1].sections == (("1.1. Some code", "s"),)


def test_places_that_have_to_be_found(book):
    index, one, two = pages = book_pages(book)
    assert one.links == ((two.path, "far"),)
    assert anchors(pages) == {index.path: set(), one.path: {"s"}, two.path: {"far"}}


def test_no_book_is_one_sentence(tmp_path):
    with pytest.raises(NoBook, match="give `make book` first"):
        book_pages(tmp_path)
