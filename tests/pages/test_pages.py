"""The built pages, after `make book`: complete, accessible, and in need of no other host."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from _tools import repository
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
PAGES = sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts and path != HTML / "index.html")

LOADS = {
    "script": ["src"],
    "img": ["src", "srcset"],
    "iframe": ["src"],
    "source": ["src", "srcset"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "link": ["href"],
}
CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
SCRIPT_LOADS = re.compile(r"""(?:import\b[^;\n]*?|fetch\(|\.src\s*=\s*|importScripts\()\s*["'](?:https?:)?//""")

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(HTML).as_posix())


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def foreign(address: str) -> bool:
    parts = urlsplit(address.strip())
    return parts.scheme not in ("", "data", "blob") or bool(parts.netloc)


def loaded(path: Path) -> Iterator[str]:
    """Yield every address that a browser fetches to show the page."""
    for tag, names in LOADS.items():
        for element in soup(path).find_all(tag):
            for name in names:
                if value := element.get(name):
                    yield from (part.split()[0] for part in value.split(",")) if name == "srcset" else [value]
    styles = [style.get_text() for style in soup(path).find_all("style")]
    styles += [element["style"] for element in soup(path).find_all(style=True)]
    for style in styles:
        yield from (match[1] or match[2] for match in CSS_URL.finditer(style))


def target(page: Path, address: str) -> Path:
    place = unquote(urlsplit(address).path)
    return (page.parent / place).resolve() if place else page


def test_the_book_is_built():
    assert (HTML / "index.html").is_file() and len(PAGES) > 4, "run `make book`"


@each_page
def test_a_page_loads_nothing_from_another_host(path: Path):
    assert [address for address in loaded(path) if foreign(address)] == []
    for script in soup(path).find_all("script"):
        assert not SCRIPT_LOADS.search(script.get_text())


@each_page
def test_everything_that_a_page_loads_is_there(path: Path):
    local = [address for address in loaded(path) if not foreign(address) and not address.startswith("data:")]
    assert [address for address in local if not target(path, address).exists()] == []


def test_style_sheets_load_nothing_from_another_host():
    for sheet in (HTML / "_static").rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.S)
        addresses = [match[1] or match[2] for match in CSS_URL.finditer(text)]
        assert [address for address in addresses if foreign(address)] == [], sheet.name


@each_page
def test_links_within_the_book_lead_somewhere(path: Path):
    for link in soup(path).find_all("a", href=True):
        if foreign(link["href"]) or link["href"] == "#":
            continue
        page = target(path, link["href"])
        assert page.is_file(), link["href"]
        fragment = unquote(urlsplit(link["href"]).fragment)
        if page.name == "explorer.html" and "=" in fragment:
            opens_a_circuit(fragment)
        elif fragment and page.suffix == ".html":
            assert soup(page).find(id=fragment), link["href"]


def opens_a_circuit(choice: str) -> None:
    """A link into the explorer asks for a model, questions and a part that its data have."""
    asked = dict(part.split("=") for part in choice.split("&"))
    data = HTML / "_static" / "explorer" / "data" / asked["model"]
    index = (data / "index.js").read_text(encoding="utf-8")
    for name in ("relation", "with"):
        assert name not in asked or (data / f"{asked[name]}.js").is_file(), choice
    assert "show" not in asked or f'"{asked["show"]}"' in index, choice
    assert "size" not in asked or re.search(rf'"sizes":\[[^]]*\b{asked["size"]}\b', index), choice


@each_page
def test_around_the_text_only_the_books_own_repository_is_linked(path: Path):
    url = repository.stamped(ROOT)
    for link in soup(path).find_all("a", href=True):
        if foreign(link["href"]) and not link.find_parent("article"):
            colab = url.replace("https://github.com", "https://colab.research.google.com/github")
            assert url and link["href"].startswith((url, colab)), link["href"]


@each_page
def test_a_page_has_one_title(path: Path):
    titles = [h for h in soup(path).find_all("h1") if not h.find_parent(id="jb-print-docs-body")]
    assert len(titles) == 1
    assert soup(path).html.get("lang") == "en"


@each_page
def test_images_and_figures_say_what_they_show(path: Path):
    for image in soup(path).find_all("img"):
        alt = image.get("alt")
        assert alt is not None and "_images/" not in alt, image
        assert alt.strip() or not image.find_parent("article"), image
    for figure in soup(path).select(".plotly-graph-div, [id^=circuits-vis-]"):
        parent = figure.find_parent(class_="kc-figure")
        assert parent and parent["aria-label"] not in ("", "Interactive figure"), "use display.show(..., alt=...)"


@each_page
def test_no_output_was_left_out(path: Path):
    text = soup(path).get_text()
    for trace in (
        "Traceback (most recent call last)",
        "application/vnd.plotly",
        "FigureWidget({",
        "Figure({",
    ):
        assert trace not in text


def test_every_verdict_of_every_chapter_stands_on_the_page_of_claims():
    def texts(row) -> list[str]:
        return [cell.get_text() for cell in row.find_all(["th", "td"])]

    claims = {
        texts(row)[0]: texts(row) for row in soup(HTML / "book" / "claims.html").select("table.kc-claims tbody tr")
    }
    seen = 0
    for path in PAGES:
        for row in soup(path).select("table.kc-verdicts tbody tr"):
            claim, *cells, agree = texts(row)
            assert claims[claim][1] == cells[0] and claims[claim][-1] == agree, f"{path.stem}: {claim}"
            assert all(cell in claims[claim][2] for cell in cells[1:]), f"{path.stem}: {claim}"
            seen += 1
    chapters = len(soup(HTML / "book" / "claims.html").select("tr.kc-claims-chapter"))
    assert seen and len(claims) == seen + chapters


def test_words_and_years_can_be_searched_for_and_no_other_numbers():
    index = (HTML / "searchindex.js").read_text(encoding="utf-8")
    terms = json.loads(index[index.index("(") + 1 : index.rindex(")")])["terms"]
    assert {"circuit", "2024"} <= set(terms)
    assert [term for term in terms if term.isdigit() and not re.fullmatch(r"(19|20)\d\d", term)] == []
