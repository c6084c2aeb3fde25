"""Figures of chapters get numbers, captions and addresses; other output is left as it is."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document

from helpers.figures import display

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
import figures  # noqa: E402

PLOT = (
    '<div class="kc-figure kc-plot" role="figure" aria-label="A line that falls.">'
    '<p class="kc-title">It falls by <b>2 %</b></p><p class="kc-subtitle">at first</p><div>drawing</div></div>'
)
CARD = (
    '<div class="kc-figure kc-card" role="figure" aria-label="A head &amp; its words, e.g. one. More.">'
    "<div>x</div></div>"
)


def soup(markup: str) -> BeautifulSoup:
    return BeautifulSoup(markup, "html.parser")


@pytest.mark.parametrize(
    ("docname", "number"),
    [("book/04_heads", 4), ("book/12_editing", 12), ("book/index", None), ("book/teaching/a", None)],
)
def test_a_chapters_number_is_that_of_its_file(docname, number):
    assert figures.chapter_of(docname) == number


def test_a_figure_becomes_one_with_a_numbered_caption_and_an_address():
    made, title = figures.captioned(PLOT, 4, 3)
    figure = soup(made).figure
    assert soup(made).find("div", class_="kc-figure") is None and title == "It falls by 2 %"
    assert figure["id"] == "fig-4-3" and figure["aria-label"] == "A line that falls."
    caption = figure.find("figcaption", recursive=False)
    assert caption.find(class_="kc-title").get_text().startswith("Figure 4.3. It falls by 2 %")
    assert caption.find(class_="kc-subtitle").get_text() == "at first" and caption.b
    assert caption.find("a", href="#fig-4-3")["title"] == "Link to Figure 4.3"
    assert figure.div.get_text() == "drawing" and len(figure.find_all(class_="kc-title")) == 1


def test_a_figure_without_a_title_is_captioned_with_what_it_shows():
    made, title = figures.captioned(CARD, 1, 2)
    assert title == "A head & its words, e.g. one"
    assert "Figure 1.2. A head &amp; its words, e.g. one" in made.replace("</span>", "")


def test_pages_that_are_no_chapters_have_captions_without_numbers():
    made, _ = figures.captioned(PLOT, None, 1)
    assert "Figure" not in soup(made).get_text() and soup(made).figure.figcaption and not soup(made).figure.get("id")


@pytest.mark.parametrize(
    "markup", ["<p>prose</p>", "<table></table>", '<div class="other">x</div>', PLOT + "<p>more</p>"]
)
def test_other_output_is_no_figure(markup):
    assert figures.captioned(markup, 1, 1) is None


def test_what_display_writes_is_understood(monkeypatch):
    assert figures.captioned(display.figure_html('<p class="kc-title">A</p>b', "alt", "kc-plot"), 1, 1)[1] == "A"


def test_figures_are_counted_in_their_order_and_can_be_referred_to():
    document = new_document("page")
    document += [nodes.raw("", markup, format="html") for markup in (PLOT, "<p>no figure</p>", CARD)]
    document += nodes.raw("", PLOT, format="latex")
    labels = SimpleNamespace(labels={}, anonlabels={})
    env = SimpleNamespace(docname="book/07_x", get_domain=lambda name: labels)
    figures.number_figures(SimpleNamespace(env=env), document)
    texts = [raw.astext() for raw in document.findall(nodes.raw)]
    assert 'id="fig-7-1"' in texts[0] and texts[1] == "<p>no figure</p>" and 'id="fig-7-2"' in texts[2]
    assert texts[3] == PLOT, "only the web page's output"
    assert labels.labels["fig-7-2"] == ("book/07_x", "fig-7-2", "Figure 7.2") and len(labels.labels) == 2
    assert labels.anonlabels["fig-7-1"] == ("book/07_x", "fig-7-1")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One"),
        ("In e.g. two words. Then.", "In e.g. two words"),
        ("At 0.5 nats. X", "At 0.5 nats"),
        ("a", "a"),
    ],
)
def test_the_first_sentence(text, first):
    assert figures.first_sentence(text) == first
