"""The pages of the built book, in their order, as what prints them needs to know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup


class NoBook(FileNotFoundError):
    """There is no built book where one was looked for."""


@dataclass(frozen=True)
class Page:
    """A page of the built book.

    Attributes:
        path: its file.
        title: as the sidebar has it, with the chapter's number.
        part: the part of the book to which it belongs; empty for the first page.
        sections: the titles and anchors of its sections.
        links: files and anchors in them to which its text leads.
    """

    path: Path
    title: str
    part: str
    sections: tuple[tuple[str, str], ...]
    links: tuple[tuple[Path, str], ...]


def book_pages(folder: Path) -> list[Page]:
    """The pages of a built book: the first one, and those that its sidebar lists.

    Raises:
        NoBook: if no book was built there.
    """
    first = (folder / "book" / "index.html").resolve()
    if not first.is_file():
        raise NoBook(f"There is no built book in {folder}: give `make book` first.")
    soup = _soup(first)
    pages, part = [_page(first, _text(soup.h1), "")], ""
    for entry in soup.select(".bd-links p.caption, .bd-links a.reference.internal"):
        if entry.name == "p":
            part = _text(entry)
        else:
            pages.append(_page((first.parent / unquote(entry["href"])).resolve(), _text(entry), part))
    return pages


def anchors(pages: Sequence[Page]) -> dict[Path, set[str]]:
    """The places inside each page that have to be found: its sections, and those to which any page links."""
    wanted = {page.path: {anchor for _, anchor in page.sections} for page in pages}
    for page in pages:
        for path, anchor in page.links:
            if anchor and path in wanted:
                wanted[path].add(anchor)
    return wanted


def _page(path: Path, title: str, part: str) -> Page:
    soup = _soup(path)
    heads = soup.select("article section[id] > h2")
    links = (urlsplit(link["href"]) for link in soup.select("article a[href]"))
    return Page(
        path,
        title,
        part,
        sections=tuple((_text(head), head.parent["id"]) for head in heads),
        links=tuple(
            ((path.parent / unquote(link.path)).resolve(), unquote(link.fragment))
            for link in links
            if link.path and not link.scheme
        ),
    )


def _soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _text(element) -> str:
    return " ".join(element.get_text(" ").replace("#", "").replace("¶", "").split())
