"""The built book as one document: pages in their order, links that stay inside, each asset once."""

import pytest
from _tools import ToolError
from _tools.pdf import one_document
from bs4 import BeautifulSoup

SIDEBAR = """<nav class="bd-links"><a class="reference internal" href="one.html">1. One</a>
<p class="caption">Part</p><a class="reference internal" href="deep/a%20b.html">2. <em>Two</em></a></nav>"""
SECTION = '<section id="s"><h2>1.1. Some <code>code</code><a class="headerlink" href="#s">#</a></h2></section>'
FIGURE = '<div class="kc-figure"><div id="plot"></div><script>kcPlot("plot")</script></div>'
LINKS = """<a href="deep/a%20b.html#far">far</a><a href="index.html">home</a><a href="https://else.where/x#y">out</a>
<a href="gone.html">gone</a><a href="../../etc/passwd">file</a>"""


def page(title: str, text: str = "", static: str = "_static") -> str:
    head = f'<head><script src="{static}/a.js"></script><link rel="stylesheet" href="{static}/a.css"></head>'
    heading = f"<h1>{title}<a class='headerlink' href='#t'>#</a></h1>"
    return f"<html>{head}<body>{SIDEBAR}<article>{heading}{text}</article></body></html>"


@pytest.fixture()
def book(tmp_path):
    folder = tmp_path / "book"
    (folder / "deep").mkdir(parents=True)
    solution = '<div class="solution admonition">six by nine</div>'
    (folder / "index.html").write_text(page("A &amp; B", '<a href="one.html">one</a>'))
    (folder / "one.html").write_text(page("One", SECTION + FIGURE + solution + LINKS))
    two = '<section id="s"></section><p id="far"></p><img src="../x.png"><a href="../one.html#s">back</a>'
    (folder / "deep" / "a b.html").write_text(page("Two", two, "../_static"))
    return tmp_path


def parts(book, **options) -> tuple[BeautifulSoup, list]:
    text, pages = one_document(book, **options)
    soup = BeautifulSoup(text, "html.parser")
    articles = soup.select("article")
    assert [article["id"] for article in articles] == [f"page-{n}" for n in range(pages)]
    return soup, articles


def test_pages_stand_in_the_order_of_the_sidebar(book):
    soup, articles = parts(book)
    assert soup.title.get_text() == soup.h1.get_text() == "A & B"
    assert [article.h1.get_text().strip("#") for article in articles] == ["A & B", "One", "Two"]
    contents = [entry.get_text(" ") for entry in soup.select(".kc-contents a, .kc-contents p")]
    assert [entry.strip() for entry in contents] == ["A & B", "1. One", "Part", "2. Two"]
    assert [link["href"] for link in soup.select(".kc-contents a")] == ["#page-0", "#page-1", "#page-2"]


def test_links_lead_to_places_inside_or_to_the_web(book):
    soup, (_, one, two) = parts(book)
    far, home, out, gone, file = one.select("a:not(.headerlink)")
    assert far["href"] == "#2-far" and two.select_one("p[id]")["id"] == "2-far"
    assert home["href"] == "#page-0" and out["href"] == "https://else.where/x#y"
    assert "href" not in gone.attrs and "href" not in file.attrs, "no file of this machine is named"
    assert two.a["href"] == "#2-t" and two.select("a")[-1]["href"] == "#1-s"
    named = [element["id"] for element in soup.select("[id]")]
    assert len(named) == len(set(named)) and one.section["id"] == "1-s"
    assert one.select_one(".kc-figure div")["id"] == "plot", "its script looks for it"


def test_what_pages_load_is_there_once_and_by_its_whole_address(book):
    soup, articles = parts(book)
    static = (book / "book" / "_static").resolve().as_uri()
    assert [script["src"] for script in soup.head.select("script")] == [f"{static}/a.js"]
    assert [sheet["href"] for sheet in soup.head.select("link")] == [f"{static}/a.css"]
    assert articles[2].img["src"] == (book / "book" / "x.png").resolve().as_uri()


def test_solutions_are_left_out_unless_asked_for(book):
    assert "six by nine" not in one_document(book)[0]
    assert "six by nine" in one_document(book, solutions=True)[0]


def test_no_book_is_one_sentence(tmp_path):
    with pytest.raises(ToolError, match="give `make book` first"):
        one_document(tmp_path)
