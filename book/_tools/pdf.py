"""The built book as Chromium draws it: ``make pdf`` prints all of it, ``make picture`` takes the README's picture.

For the PDF, all pages stand in one document, and Chromium makes outline, links and page numbers. Figures that move are
shown in several states; solutions are left out unless asked for.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from string import Template
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from PIL import Image
from playwright.sync_api import Browser, Error, sync_playwright
from pypdf import PdfReader

from _tools import ToolError
from helpers.files import write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STATES = 3  # of a figure with a slider, on paper
SCRIPT = Path(__file__).with_name("static_figures.js")
SCALE = 0.8
WIDTH = round((210 - 2 * 17) / 25.4 * 96 / SCALE)  # CSS pixels between the margins, so that figures are drawn to fit
# What links lead to; figures find their own places by other names.
PLACES = "[id]:not(.kc-figure *, #kc-explorer, #kc-explorer *)"
SHEETS = Template(Path(__file__).with_name("sheets.html").read_text(encoding="utf-8"))
LINE = '<a href="#{name}"><span>{title}</span><b></b></a>'
NUMBER = "numbers => document.querySelectorAll('.kc-contents b').forEach((b, n) => (b.textContent = numbers[n]))"
FOOT = "@page page-{n} {{ @bottom-left {{ content: {title} }} }} #page-{n} {{ page: page-{n} }}"


def find_browser() -> str:
    """Where Chromium is: what ``KC_CHROMIUM`` names, else the first on the path.

    Raises:
        ToolError: if there is none.
    """
    named = os.environ.get("KC_CHROMIUM")
    for name in (named,) if named else BROWSERS:
        if found := shutil.which(name):
            return found
    raise ToolError("Chromium isn't installed: `apt install chromium` (Debian, Ubuntu), or name one in KC_CHROMIUM.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_browser()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def first_page(folder: Path) -> Path:
    """The first page of the built book.

    Raises:
        ToolError: if no book was built there.
    """
    path = (folder / "book" / "index.html").resolve()
    if not path.is_file():
        raise ToolError(f"There is no built book in {folder}: give `make book` first.")
    return path


def read(address: str) -> BeautifulSoup:
    """A page of the built book; what it loads and where it leads as whole addresses."""
    soup = BeautifulSoup(Path(unquote(address.removeprefix("file://"))).read_text(encoding="utf-8"), "html.parser")
    for element in soup.select("[href], [src]"):
        for name in {"href", "src"} & set(element.attrs):
            element[name] = urljoin(address, element[name])
    return soup


def words(element: Tag) -> str:
    """What an element says, without the sign that links to a heading."""
    return " ".join(element.get_text(" ").replace("#", "").split())


def one_document(folder: Path, solutions: bool = False) -> tuple[str, int]:
    """All pages of the built book in ``folder`` as one HTML document, in the order of its sidebar.

    Links between pages lead to places inside the document, and others only to the web.

    Returns:
        The document, and how many pages there are; page ``n`` has the anchor ``page-n``.

    Raises:
        ToolError: if no book was built there.
    """
    first = first_page(folder).as_uri()
    front = read(first)
    title = words(front.article.h1)
    titles, lines = {first: title}, [LINE.format(name="page-0", title=html.escape(title))]
    for entry in front.select(".bd-links p.caption, .bd-links a.reference.internal"):
        said = words(entry)
        if entry.name == "a":
            lines.append(LINE.format(name=f"page-{len(titles)}", title=html.escape(said)))
            titles[entry["href"]] = said
        else:
            lines.append(f"<p>{html.escape(said)}</p>")
    numbers = {address: number for number, address in enumerate(titles)}
    heads, articles = {}, []
    for address, number in numbers.items():
        page = read(address)
        heads |= dict.fromkeys(str(part) for part in page.select("head script, head style, head link[rel=stylesheet]"))
        articles.append(article_of(page, number, numbers, solutions))
    feet = "".join(
        FOOT.format(n=n, title=json.dumps(said, ensure_ascii=False)) for n, said in enumerate(titles.values())
    )
    named = dict(title=html.escape(title), head=f"{''.join(heads)}<style>{feet}</style>", contents="".join(lines))
    return SHEETS.substitute(named, articles="".join(articles)), len(titles)


def article_of(page: BeautifulSoup, number: int, numbers: Mapping[str, int], solutions: bool) -> str:
    """The text of a page, with anchors that are unique in the book, ``N-ANCHOR``, and links that lead to such ones."""
    article = page.select_one("article")
    article["id"] = f"page-{number}"
    for solution in () if solutions else article.select(".solution"):
        solution.decompose()
    for link in article.select("a[href]"):
        address, anchor = urldefrag(link["href"])
        if address in numbers:
            link["href"] = f"#{numbers[address]}-{unquote(anchor)}" if anchor else f"#page-{numbers[address]}"
        elif urlsplit(address).scheme not in ("http", "https", "mailto"):
            del link["href"]
    for place in article.select(PLACES):
        place["id"] = f"{number}-{place['id']}"
    return str(article)


def write_pdf(folder: Path, target: Path, solutions: bool = False) -> int:
    """Make one PDF of the built book in ``folder``; returns how many sheets it has.

    Raises:
        ToolError: if there is no built book or no browser, or a figure isn't drawn.
    """
    document, pages = one_document(folder, solutions)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        source, printed = Path(scratch) / "book.html", Path(scratch) / "book.pdf"
        source.write_text(document, encoding="utf-8")
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1100}, color_scheme="light")
        tab.emulate_media(media="print")
        tab.set_default_timeout(0)
        try:
            tab.goto(source.as_uri())
            tab.evaluate(SCRIPT.read_text(encoding="utf-8"), STATES)
            for _ in range(2):  # for the contents, the first one tells on which sheet each page begins
                tab.pdf(
                    path=printed,
                    scale=SCALE,
                    prefer_css_page_size=True,
                    print_background=True,
                    tagged=True,
                    outline=True,
                )
                reader = PdfReader(printed)
                named = reader.named_destinations
                starts = [1 + reader.get_destination_page_number(named[f"/page-{n}"]) for n in range(pages)]
                tab.evaluate(NUMBER, starts)
        except Error as error:
            raise ToolError(f"The book can't be printed: {error.message}") from error
        write_whole(target, printed.read_bytes())
    return len(reader.pages)


def take_picture(folder: Path, target: Path, wait: float = 30_000) -> None:
    """Write the first figure of the built book in ``folder``, drawn within ``wait`` ms, as a PNG of few colours.

    Raises:
        ToolError: if there is no built book or no browser, or the figure isn't drawn.
    """
    first = first_page(folder)
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1100, "height": 1000}, color_scheme="light")
        try:
            tab.goto(first.as_uri())
            figure = tab.locator(".kc-figure").first
            figure.locator(".main-svg .trace").first.wait_for(timeout=wait)
            tab.evaluate("for (const folded of document.querySelectorAll('.kc-data')) folded.remove()")
            shot = figure.screenshot(animations="disabled")
        except Error as error:
            raise ToolError(f"{first.name} has no figure to take a picture of: {error.message}") from error
    small = BytesIO()
    Image.open(BytesIO(shot)).convert("RGB").quantize(128).save(small, "PNG", optimize=True)
    write_whole(target, small.getvalue())
