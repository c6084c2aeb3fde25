"""The whole book as one PDF: every built page printed by Chromium, with contents, page numbers and working links.

``make pdf`` needs the built book (``make book``) and Chromium. Figures that move are shown in several
states; solutions are left out unless asked for.
"""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright
from pypdf import PdfReader
from tqdm.auto import tqdm

from _tools.pages import Page, anchors, book_pages
from _tools.pdf_binding import Part, bind

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STATES = 3  # of a figure with a slider, on paper
FRONT_SHEETS = 2  # the title and the contents
SCRIPT = Path(__file__).parent / "scripts" / "static_figures.js"
SHEET = dict(format="A4", print_background=True)
MARGIN = dict(top="16mm", bottom="20mm", left="17mm", right="17mm")
SCALE = 0.8
WIDTH = round((210 - 2 * 17) / 25.4 * 96 / SCALE)  # CSS pixels between the margins, so that figures are drawn to fit
STYLE = """
body { margin: 0; font: 11pt/1.45 "Source Serif 4", Georgia, serif; color: #1f2a30; }
section { height: 296mm; box-sizing: border-box; padding: 20mm 17mm; position: relative; break-after: page; }
h1 { font-size: 30pt; font-weight: 600; margin: 60mm 0 4mm; }
.foot { position: absolute; bottom: 9mm; left: 17mm; right: 17mm; margin: 0; font: 8.5pt sans-serif; color: #5b6972; }
.foot b { float: right; font-weight: 400; }
.part { font: 9pt sans-serif; letter-spacing: .08em; text-transform: uppercase; color: #0b6478; margin: 3mm 0 0; }
.line { display: flex; justify-content: space-between; gap: 6mm; }
a { color: inherit; text-decoration: none; }
"""
# Chromium names a place in a PDF only if a link on the same page leads there.
MARK_ANCHORS = """names => { for (const name of names) if (document.getElementById(name)) {
  const link = Object.assign(document.createElement("a"), { href: "#" + name, textContent: "\\u200b" });
  link.style.cssText = "position:absolute;width:1px;height:1px";
  document.querySelector("article").append(link); } }"""
SHOW_SOLUTIONS = "show => document.documentElement.classList.toggle('kc-no-solutions', !show)"


class PdfError(Exception):
    """The PDF can't be made; the message says what to do."""


def find_browser() -> str:
    """Where Chromium is: what ``KC_CHROMIUM`` names, else the first on the path.

    Raises:
        PdfError: if there is none.
    """
    named = os.environ.get("KC_CHROMIUM")
    for name in (named,) if named else BROWSERS:
        if found := shutil.which(name):
            return found
    raise PdfError("Chromium isn't installed: `apt install chromium` on Debian and Ubuntu, or name one in KC_CHROMIUM.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_browser()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def print_pages(
    browser: Browser, pages: Sequence[Page], folder: Path, solutions: bool = False, progress: bool = True
) -> list[Path]:
    """Print each page to a PDF of its own in ``folder``; returns their paths.

    Raises:
        PdfError: if a figure of a page isn't drawn.
    """
    wanted, printed = anchors(pages), []
    tab = browser.new_page(viewport={"width": WIDTH, "height": 1100}, color_scheme="light")
    tab.emulate_media(media="print")
    for number, page in enumerate(tqdm(pages, disable=not progress, desc="printing")):
        try:
            tab.goto(page.path.as_uri())
            tab.evaluate(SHOW_SOLUTIONS, solutions)
            tab.evaluate(SCRIPT.read_text(encoding="utf-8"), STATES)
            tab.evaluate(MARK_ANCHORS, sorted(wanted[page.path]))
            printed.append(folder / f"{number:02}.pdf")
            tab.pdf(path=printed[-1], scale=SCALE, margin=MARGIN, **SHEET)
        except Error as error:
            raise PdfError(f"{page.path.name} can't be printed: {error.message}") from error
    return printed


def print_sheets(browser: Browser, bodies: Sequence[str], path: Path) -> None:
    """Print sheets of our own: one for each HTML text."""
    text = "".join(f"<section>{body}</section>" for body in bodies)
    tab = browser.new_page()
    tab.set_content(f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{STYLE}</style>{text}')
    tab.pdf(path=path, **SHEET)


def contents(pages: Sequence[Page], starts: Sequence[int]) -> list[str]:
    """The title sheet and the contents; links lead to ``kc:N``, which `bind` turns into places.

    Args:
        pages: all pages; the first one has the book's title.
        starts: the number of the first sheet of each.
    """
    title = f"<h1>{html.escape(pages[0].title)}</h1><p>The printed form of an executable book. Figures that move are "
    title += "shown in some of their states; live ones, the numbers behind each figure, and solutions are in the book."
    lines, part = ["<h2>Contents</h2>"], ""
    for number, (page, sheet) in enumerate(zip(pages, starts, strict=True)):
        if page.part != part:
            part = page.part
            lines.append(f'<p class="part">{html.escape(part)}</p>')
        name = f"<span>{html.escape(page.title)}</span><span>{sheet}</span>"
        lines.append(f'<a class="line" href="kc:{number}">{name}</a>')
    return [title, "".join(lines)]


def feet(pages: Sequence[Page], counts: Sequence[int], first: int) -> list[str]:
    """For each sheet its foot: the title of the page, and the number of the sheet."""
    titles = [page.title for page, count in zip(pages, counts, strict=True) for _ in range(count)]
    return [f'<p class="foot">{html.escape(title)}<b>{n}</b></p>' for n, title in enumerate(titles, first)]


def write_pdf(folder: Path, target: Path, solutions: bool = False, progress: bool = True) -> int:
    """Make one PDF of the built book in ``folder``; returns how many sheets it has.

    Raises:
        NoBook: if there is no built book.
        PdfError: if there is no browser, or a page can't be printed.
    """
    pages = book_pages(folder)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        front, below = Path(scratch) / "front.pdf", Path(scratch) / "feet.pdf"
        printed = print_pages(browser, pages, Path(scratch), solutions, progress)
        counts = [len(PdfReader(path).pages) for path in printed]
        starts = [1 + FRONT_SHEETS + sum(counts[:n]) for n in range(len(counts))]
        print_sheets(browser, contents(pages, starts), front)
        print_sheets(browser, feet(pages, counts, starts[0]), below)
        parts = [Part(pdf, p.path.as_uri(), p.title, p.sections) for pdf, p in zip(printed, pages, strict=True)]
        book = bind(front, below, parts)
        book.add_metadata({"/Title": pages[0].title})
        book.compress_identical_objects()
        target.parent.mkdir(parents=True, exist_ok=True)
        book.write(target)
    return len(book.pages)
