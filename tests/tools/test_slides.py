"""Slides from a small page that is written here, and what is said when there is no page."""

import re
from pathlib import Path

import pytest
from _tools import ToolError, slides
from _tools import guides as teaching
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
PLOT = (
    '<div class="cell"><div class="cell_input"><pre>assert a &lt; b, "a lies below b"\n'
    'assert x, "the patch changed something"</pre></div>'
    '<div class="cell_output"><div class="kc-figure kc-plot" aria-label="Bars &amp; dots">'
    '<p class="kc-title"><span class="kc-number">Figure 2.1.</span> a &lt; b in <b>both</b></p>'
    '<div style="height:400px">'
    '<div class="plotly-graph-div" id="p1"></div>'
    '<script>kcPlot("p1", [], {})</script></div>'
    '<details class="kc-data"><table><tr><td>1</td></tr></table></details></div></div></div>'
    "<p>They differ.</p>"
)
TABLE = (
    '<div class="cell"><div class="cell_output"><table><thead><tr><th>claim</th><th>verdict</th></tr></thead>'
    "<tbody>{rows}</tbody></table><table><thead><tr><th>n</th></tr></thead><tbody><tr><td>2</td></tr></tbody></table></div></div>"
)
SCRIPTS = (
    '<script src="../_static/doctools.js"></script>'
    '<script src="../_static/vendor/plotly/plotly-cartesian.min.js?v=1"></script>'
)
PAGE = """<html><head>{scripts}</head><body><nav><h2>Not this</h2></nav><article class="bd-article"><section id="top">
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
def source() -> str:
    return PAGE.format(scripts=SCRIPTS, plot=PLOT, table=TABLE.format(rows=rows(9)), long="More words. " * 40)


@pytest.fixture
def made(source: str) -> list[BeautifulSoup]:
    """The slides of the page, with its guide."""
    return parsed(slides.deck(BeautifulSoup(source, "html.parser"), 2, GUIDE))


def parsed(made: list[str]) -> list[BeautifulSoup]:
    return [BeautifulSoup(each, "html.parser") for each in made]


def test_a_deck_has_its_slides_in_order_and_no_solution(made: list[BeautifulSoup]):
    kinds = ["title", "text", "section", "figure", "table", "ask", "exercise", "text"]
    assert [each.section["class"][0] for each in made] == [f"on-{kind}" for kind in kinds]
    text = " ".join(each.get_text() for each in made)
    assert "SECRET" not in text and "Not this" not in text and "not this" not in text


def test_title_goals_and_summary(made: list[BeautifulSoup]):
    title, goals, summary = made[0], made[1], made[-1]
    assert title.h1.get_text() == "Cuts & edges" and title.aside.get_text() == "To cut. 10 minutes of lecture."
    assert str(title.select_one(".kc-question")) == '<p class="kc-question">What is <em>one</em> edge?</p>'
    assert [point.get_text() for point in goals.select("li")] == ["cut;", "count."]
    assert [point.get_text() for point in summary.select("li")] == ["cut it."]


def test_a_section_has_its_key_sentence_and_what_to_say(made: list[BeautifulSoup]):
    section = made[2]
    key = section.select_one(".kc-key")
    assert key.decode_contents().startswith("A cut has a cost, as shown. It is <strong>small</strong>. More words.")
    assert len(key.get_text()) <= slides.KEY_LENGTH and key.get_text().endswith(".")
    assert section.aside.get_text() == "The cut's cost: draw it."


def test_a_cut_never_leaves_a_tag_open():
    paragraph = BeautifulSoup(f"<p>One <em>two. {'Three ' * 50}</em> four.</p>", "html.parser").p
    assert slides.key_sentence(paragraph) == "One <em>two.</em>"


def test_a_figure_is_live_and_its_title_is_the_finding(made: list[BeautifulSoup]):
    figure = made[3]
    assert figure.h3.decode_contents() == "a &lt; b in <b>both</b>"
    drawing = str(figure.select_one(".kc-slot"))
    assert 'kcPlot("p1"' in drawing and "<details" not in drawing and "kc-title" not in drawing
    assert figure.aside.get_text() == "They differ.Bars & dots"


def test_tables_of_verdicts_are_shown_and_others_not(made: list[BeautifulSoup]):
    assert len(made[4].select("tbody tr")) == 9 and len([each for each in made if each.table]) == 1


def test_a_question_and_exercises(made: list[BeautifulSoup]):
    ask, exercise = made[5], made[6]
    assert ask.h2.get_text() == "Which cut costs <more>?" and "second" in ask.aside.get_text()
    assert exercise.h2.get_text() == "Count"
    assert exercise.select_one(".kc-kicker").get_text() == "Exercise 2.1 · easy · 10 minutes"
    assert exercise.find("p", class_=False).decode_contents() == "Count <code>a&lt;q&gt;</code>."
    assert exercise.pre.get_text() == "def count(x):\n    return None"


def test_without_a_guide_there_are_slides_all_the_same(source: str):
    made = parsed(slides.deck(BeautifulSoup(source, "html.parser"), 2))
    assert len(made) == 7 and not any(each.aside for each in made if "on-figure" not in each.section["class"])


def test_markdown_of_a_guide():
    assert slides.say("[A *b*](x.md#c) and `d<e>`, {ref}`ex-1`") == "A <em>b</em> and <code>d&lt;e&gt;</code>, ex-1"


def test_a_book_that_is_not_built(tmp_path: Path):
    with pytest.raises(ToolError, match="run `make book` first"):
        slides.write_slides(tmp_path)


def test_slides_are_written_beside_what_they_load(tmp_path: Path, source: str):
    built = tmp_path / "_build" / "html"
    (built / "book").mkdir(parents=True)
    (built / "book" / "02_graph_construction.html").write_text(source, encoding="utf-8")
    (built / "_static").symlink_to(ROOT / "book" / "_static")
    (path,) = slides.write_slides(tmp_path)
    out = tmp_path / "_build" / "slides"
    text = path.read_text(encoding="utf-8")
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    assert sum("plotly" in address for address in loaded) == 1 and not any("doctools" in each for each in loaded)
    for address in loaded:
        assert address.startswith("_static/") and (out / address.partition("?")[0]).is_file(), address
    shown = BeautifulSoup(text, "html.parser")
    assert "a<q>" in shown.get_text() and len(shown.select(".slides > section")) == 7
    assert "02_graph_construction.html" in (out / "index.html").read_text(encoding="utf-8")


def test_vendored_files_are_small_and_licensed():
    folder = ROOT / "book" / "_static" / "vendor" / "reveal"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000
    assert (
        "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
        or "Permission is hereby granted" in (folder / "LICENSE").read_text()
    )
