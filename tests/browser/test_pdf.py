"""The book on paper, printed by Chromium: a small made-up book with a figure that moves, a solution and links."""

import shutil
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plotly.graph_objects as go
import pytest
from _tools import ToolError
from _tools import pdf as book_pdf
from _tools.page_figures import PageRenderer
from _tools.pdf import find_browser, take_picture, write_pdf
from browsers import MISSING, chromium
from pypdf import PdfReader

STATIC = Path(__file__).resolve().parents[2] / "book" / "_static"
SIDEBAR = '<nav class="bd-links"><a class="reference internal" href="one.html">1. One</a></nav>'


pytestmark = pytest.mark.skipif(not chromium(), reason=MISSING)


def apart(function: Callable, *args, **kwargs):
    """The same call in a thread of its own: in this one a browser of other tests may be at work."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *args, **kwargs).result()


def figure(steps: int = 5) -> str:
    """A figure with a slider, as a page has it."""
    made = go.Figure([go.Scatter(y=[0, n], visible=n == 0) for n in range(steps)])
    shown = [[n == m for m in range(steps)] for n in range(steps)]
    made.update_layout(
        sliders=[
            dict(
                currentvalue=dict(prefix="circuit: "),
                steps=[dict(label=f"size{n}", method="restyle", args=["visible", shown[n]]) for n in range(steps)],
            )
        ]
    )
    return PageRenderer().to_mimebundle(made.to_plotly_json())["text/html"]


def page(title: str, text: str) -> str:
    scripts = "".join(
        f'<script src="{STATIC.as_uri()}/{name}"></script>'
        for name in ("vendor/plotly/plotly-cartesian.min.js", "figures.js")
    )
    style = f'<link rel="stylesheet" href="{STATIC.as_uri()}/print.css">'
    return f"<html><head>{style}{scripts}</head><body>{SIDEBAR}<article><h1>{title}</h1>{text}</article></body></html>"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book") / "book"
    folder.mkdir()
    (folder / "index.html").write_text(page("A small book", '<p><a href="one.html#end">to the end</a></p>'))
    solution = '<div class="admonition solution"><p>the answer is 42</p></div>'
    end = '<section id="end" style="break-before: page"><h2>1.1. The end</h2><p>last words</p></section>'
    (folder / "one.html").write_text(page("One", figure() + solution + end))
    return folder.parent


def text_of(path: Path) -> list[str]:
    return [sheet.extract_text() for sheet in PdfReader(path).pages]


def test_a_book_on_paper(book, tmp_path):
    target = tmp_path / "new folder" / "book.pdf"
    assert apart(write_pdf, book, target) == len(PdfReader(target).pages)
    sheets = text_of(target)
    assert "A small book" in sheets[0] and "Contents" in sheets[1]
    for number, sheet in enumerate(sheets, 1):
        assert sheet.startswith(str(number)), f"each sheet has its number at its foot: {sheet}"
    text = " ".join(sheets)
    assert [f"circuit: size{n}" in text for n in range(5)] == [True, False, True, False, True]
    assert "last words" in text and "42" not in text and "file:" not in target.read_bytes().decode("latin1")


def test_contents_outline_and_links_lead_to_the_same_sheets(book, tmp_path):
    apart(write_pdf, book, tmp_path / "book.pdf")
    reader, sheets = PdfReader(tmp_path / "book.pdf"), text_of(tmp_path / "book.pdf")
    starts = [n for n, sheet in enumerate(sheets) if sheet.startswith((f"{n + 1}A small book", f"{n + 1}1. One\nOne"))]
    assert starts == [2, 3] and sheets[1].splitlines() == ["2", "Contents", "A small book 3", "1. One 4"]
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles == ["A small book", "Contents", "A small book", "One"]
    (end,) = reader.outline[-1]
    assert end.title == "1.1. The end" and "last words" in sheets[reader.get_destination_page_number(end)]
    (link,) = [each.get_object() for each in reader.pages[starts[0]]["/Annots"]]
    assert reader.named_destinations[link["/Dest"]].page.get_object() == reader.pages[-1].get_object()


def test_solutions_on_demand(book, tmp_path):
    apart(write_pdf, book, tmp_path / "book.pdf", solutions=True)
    assert "the answer is 42" in " ".join(text_of(tmp_path / "book.pdf"))


def test_a_figure_that_is_not_drawn_stops_it(book, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    shutil.copytree(book, broken)
    text = (broken / "book" / "one.html").read_text()
    (broken / "book" / "one.html").write_text(text.replace("kcPlot(", "nothing("))
    script = tmp_path / "script.js"
    script.write_text(book_pdf.SCRIPT.read_text().replace("30000", "300"))
    monkeypatch.setattr(book_pdf, "SCRIPT", script)
    with pytest.raises(ToolError, match="a figure of One isn't drawn"):
        apart(write_pdf, broken, tmp_path / "book.pdf")
    assert not (tmp_path / "book.pdf").exists()


def test_a_picture_of_the_first_figure(book, tmp_path):
    front = tmp_path / "front" / "book"
    front.mkdir(parents=True)
    (front / "index.html").write_text(page("A small book", figure()))
    (front / "one.html").write_text(page("One", ""))
    apart(take_picture, front.parent, tmp_path / "picture.png")
    width, height = struct.unpack(">II", (tmp_path / "picture.png").read_bytes()[16:24])
    assert width > 600 and height > 300
    with pytest.raises(ToolError, match="no figure"):
        apart(take_picture, book, tmp_path / "none.png", wait=500)


def test_no_browser_is_one_sentence(monkeypatch):
    monkeypatch.setenv("KC_CHROMIUM", "no-such-browser")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="apt install chromium"):
        find_browser()
