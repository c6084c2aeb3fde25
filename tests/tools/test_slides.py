"""Slides from a small page that is written here, and what is said when there is no page."""

import re
from pathlib import Path

import pytest
from _tools import guides as teaching
from _tools import slide_source, slides
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
PLOT = (
    '<div class="cell"><div class="cell_input"><pre>assert a &lt; b, "a lies below b"\n'
    'assert x, "the patch changed something"</pre></div>'
    '<div class="cell_output"><div class="kc-figure kc-plot" aria-label="Bars &amp; dots">'
    '<p class="kc-title">a &lt; b in <b>both</b></p><div style="height:400px">'
    '<div class="plotly-graph-div" id="p1"></div>'
    '<script>kcPlot("p1", [], {})</script></div>'
    '<details class="kc-data"><table><tr><td>1</td></tr></table></details></div></div></div>'
    "<p>They differ.</p>"
)
TABLE = (
    '<div class="cell"><div class="cell_output"><table><thead><tr><th>claim</th><th>verdict</th></tr></thead>'
    "<tbody>{rows}</tbody></table><table><thead><tr><th>n</th></tr></thead><tbody><tr><td>2</td></tr></tbody></table></div></div>"
)
PAGE = """<html><body><nav><h2>Not this</h2></nav><article class="bd-article"><section id="top">
<h1><span class="section-number">2. </span>Cuts &amp; edges<a class="headerlink" href="#top">#</a></h1>
<p><strong>What is <em>one</em> edge?</strong></p>
<section id="before-you-start"><h2>Before you start</h2><ul><li>nothing</li></ul></section>
<section id="you-will-be-able-to"><h2>You will be able to</h2>
<ul><li><p>cut;</p></li><li><p>count.</p></li></ul></section>
<section id="the-cut-s-cost"><h2>The cut’s cost</h2><p><em>Atlas only: not this.</em></p>
<p>A cut has a cost, as <a href="x.html">shown</a>. It is <strong>small</strong>. {long} The end.</p>
{plot}{table}</section>
<section id="exercises"><h2>Exercises</h2><div class="exercise admonition" id="ex-02-1">
<p class="admonition-title"><span class="caption-number">Exercise 2.1 </span>(Count · easy · 10 minutes)</p>
<section id="exercise-content"><p>Count <code>a&lt;q&gt;</code>.</p>
<div class="cell"><div class="cell_input"><pre>def count(x):
    return None


chapter_02.counts(count)</pre></div></div></section></div>
<div class="solution dropdown admonition"><p>SECRET</p></div></section>
<section id="summary"><h2>Summary</h2><p>You have</p><ul><li>cut it.</li></ul></section>
<section id="references"><h2>References</h2><p>None.</p></section>
</section></article></body></html>"""
GUIDE = teaching.Guide(
    2,
    goal="To *cut*.",
    time="10 minutes of lecture.",
    mistake="They `cut` all.",
    question="Which cut costs <more>?",
    answer="The **second**.",
    points=(teaching.TalkingPoint("the-cuts-cost", "[The cut's cost](../02_x.ipynb#the-cuts-cost): draw it."),),
    text="",
)


def rows(n: int) -> str:
    return "".join(f"<tr><td>claim {i}</td><td>holds</td></tr>" for i in range(n))


@pytest.fixture
def page(tmp_path: Path) -> slide_source.ChapterPage:
    path = tmp_path / "02_graph_construction.html"
    path.write_text(
        PAGE.format(plot=PLOT, table=TABLE.format(rows=rows(9)), long="More words. " * 40), encoding="utf-8"
    )
    return slide_source.read_page(path)


def test_the_parts_of_a_page(page: slide_source.ChapterPage):
    assert page.title == "Cuts &amp; edges" and page.question == "What is <em>one</em> edge?"
    assert page.goals == ("cut;", "count.") and page.summary == ("cut it.",) and not page.math
    (section,) = page.sections
    assert section.key.startswith("A cut has a cost, as shown. It is <strong>small</strong>.")
    assert len(section.key) < slide_source.KEY_LENGTH + 60 and section.key.endswith(".")
    assert section.checks == ("a lies below b",)
    figure, table = section.shown
    assert figure.title == "a &lt; b in <b>both</b>" and figure.alt == "Bars & dots" and figure.said == "They differ."
    assert 'kcPlot("p1"' in figure.drawing and "<details" not in figure.drawing and "kc-title" not in figure.drawing
    assert len(table.rows) == 9
    (exercise,) = page.exercises
    assert (exercise.number, exercise.title, exercise.level, exercise.minutes) == ("2.1", "Count", "easy", 10)
    assert (
        exercise.statement == "<p>Count <code>a&lt;q&gt;</code>.</p>"
        and exercise.stub == "def count(x):\n    return None"
    )


def test_a_deck_has_its_slides_in_order_and_no_solution(page: slide_source.ChapterPage):
    made = slides.deck(page, 2, GUIDE)
    kinds = [BeautifulSoup(each, "html.parser").section["class"][0] for each in made]
    assert kinds == [
        "on-title",
        "on-text",
        "on-section",
        "on-figure",
        "on-table",
        "on-table",
        "on-ask",
        "on-exercise",
        "on-text",
    ]
    text = "".join(made)
    assert "SECRET" not in text and "Not this" not in text
    section, ask = BeautifulSoup(made[2], "html.parser"), BeautifulSoup(made[6], "html.parser")
    assert section.find("aside").get_text() == "The cut's cost: draw it."
    assert ask.h2.get_text() == "Which cut costs <more>?" and "second" in ask.find("aside").get_text()


def test_without_a_guide_there_are_slides_all_the_same(page: slide_source.ChapterPage):
    made = slides.deck(page, 2)
    assert len(made) == 8 and not any("on-ask" in each for each in made)


def test_what_stands_in_a_page_stays_text(page: slide_source.ChapterPage):
    text = slides.page_of(page, 2, slides.deck(page, 2, GUIDE))
    shown = BeautifulSoup(text, "html.parser")
    assert "a<q>" in shown.get_text() and "Which cut costs <more>?" in shown.get_text()
    sources = [script["src"] for script in shown.find_all("script", src=True)]
    assert any("plotly" in s for s in sources) and not any("mathjax" in s or "circuitsvis" in s for s in sources)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


def test_long_lists_are_split():
    assert slides.split(["a"] * 7, 3, 100) == [["a"] * 3, ["a"] * 3, ["a"]]
    assert slides.split(["<b>aaaa</b>", "bbbb"], 3, 6) == [["<b>aaaa</b>"], ["bbbb"]]
    assert slides.split([], 3, 6) == []


def test_markdown_of_a_guide():
    assert slides.say("[A *b*](x.md#c) and `d<e>`, {ref}`ex-1`") == "A <em>b</em> and <code>d&lt;e&gt;</code>, ex-1"


def test_a_book_that_is_not_built(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="run `make book` first"):
        slides.write_slides(tmp_path)


def test_slides_are_written_beside_what_they_load(tmp_path: Path, page: slide_source.ChapterPage):
    built = tmp_path / "_build" / "html" / "book"
    built.mkdir(parents=True)
    (tmp_path / "02_graph_construction.html").rename(built / "02_graph_construction.html")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_static").symlink_to(ROOT / "book" / "_static")
    (deck,) = slides.write_slides(tmp_path, [2])
    out = tmp_path / "_build" / "slides"
    text = deck.path.read_text(encoding="utf-8")
    for address in re.findall(r"(?:src|href)=\"(_static/[^\"]+)\"", text):
        assert (out / address).is_file(), address
    assert "02_graph_construction.html" in (out / "index.html").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="no built chapter 3"):
        slides.write_slides(tmp_path, [3])


def test_a_page_that_is_no_chapter(tmp_path: Path):
    path = tmp_path / "x.html"
    path.write_text("<html><body><p>No article.</p></body></html>", encoding="utf-8")
    with pytest.raises(ValueError, match="isn't the page of a chapter"):
        slide_source.read_page(path)


def test_vendored_files_are_small_and_licensed():
    folder = ROOT / "book" / "_static" / "vendor" / "reveal"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000
    assert (
        "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
        or "Permission is hereby granted" in (folder / "LICENSE").read_text()
    )
