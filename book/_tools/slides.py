"""Slides of the chapters, made from their own built pages: ``make slides``.

Each chapter becomes one page with reveal.js (``book/_static/vendor/reveal``): its question, its goals, for each section
the key sentence and the figures, which are live, the question from the teacher's guide, the exercises without their
solutions, and the summary. Speaker notes hold the guide's talking points. The folder needs no network and no server.
"""

from __future__ import annotations

import copy
import html
import re
import shutil
from pathlib import Path
from string import Template

from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt

from _tools import ToolError
from _tools.guides import Guide, read_guides
from helpers.files import write_whole

KEY_LENGTH = 230  # characters of a section's key sentences, at most; a first sentence is never cut
AROUND = {"Before you start", "You will be able to", "Exercises", "Summary", "References"}
DRAWN = re.compile(r"_static/vendor/(plotly|circuitsvis|mathjax)")  # the scripts of a page that its figures need
EXERCISE = re.compile(r"([\d.]*\d).*?\((.+) · (easy|medium|hard) · (\d+) minutes\)")
CHECK = re.compile(r"^(?:from |import |chapter_\d\d\.).*(?:\n[ )].*)*", re.M)
SIGNS = re.compile(r"[^a-z0-9]")  # MyST and docutils differ in what they do with apostrophes in anchors
ROLE = re.compile(r"\{\w+\}`([^`<]*)[^`]*`")
DECK, DECKS = (Template(Path(__file__).with_name(f"{name}.html").read_text("utf-8")) for name in ("deck", "decks"))


def inner(element: Tag | None) -> str:
    """The HTML inside an element, without links, anchors, numbers of sections and identifiers."""
    clean = copy.copy(element or BeautifulSoup("", "html.parser"))
    for extra in clean.select("a.headerlink, .section-number, .kc-number, script"):
        extra.decompose()
    for link in clean.select("a"):
        link.unwrap()
    for each in clean.select("[id]"):
        del each["id"]
    return clean.decode_contents().strip()


def say(markdown: str) -> str:
    """A line of a guide as HTML; of links the words."""
    text = MarkdownIt("commonmark", {"html": False}).renderInline(ROLE.sub(r"\1", markdown))
    return inner(BeautifulSoup(text, "html.parser"))


def key_sentence(paragraph: Tag) -> str:
    """The first sentences of a paragraph, up to `KEY_LENGTH` characters but at least one, as HTML."""
    first, *others = re.split(r"(?<=[.?!])\s+(?=[A-Z<])", inner(paragraph))
    for sentence in others:
        if len(BeautifulSoup(first + sentence, "html.parser").get_text()) > KEY_LENGTH:
            break
        first += f" {sentence}"
    return str(BeautifulSoup(first, "html.parser"))  # closes what the cut has left open


def slide(kind: str, body: str, notes: str = "") -> str:
    """One slide; ``notes`` are HTML for the speaker's window."""
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    return f'<section class="on-{kind}"><div class="kc-body">{body}</div>{aside}</section>'


def figure_slide(figure: Tag, section: str) -> str:
    """A figure, its title as the slide's finding; its text alternative and the paragraph behind it are notes."""
    alt, title = html.escape(figure["aria-label"]), inner(figure.select_one(".kc-title"))
    cell = figure.find_parent("div", class_="cell")
    behind = cell.find_next_sibling() if cell else None
    said = inner(behind) if behind is not None and behind.name == "p" else ""
    drawing = copy.copy(figure)
    for extra in drawing.select("figcaption, .kc-title, .kc-subtitle, details"):
        extra.decompose()
    head = f'<p class="kc-kicker">{section}</p><h3>{title or alt}</h3>'
    kind = "figure" if title else "figure on-described"
    return slide(kind, f'{head}<div class="kc-slot">{drawing}</div>', f"<p>{said}</p><p><em>{alt}</em></p>")


def section_slides(section: Tag, guide: Guide | None) -> list[str]:
    """A section: its key sentence and its first list, then its figures and tables of verdicts."""
    title, listed = inner(section.h2), section.find("ul", recursive=False)
    texts = [p for p in section.select("p") if p.parent.name == "section" and not p.get_text().startswith("Atlas only")]
    body = f'<h2>{title}</h2><p class="kc-key">{key_sentence(texts[0]) if texts else ""}</p>'
    own = SIGNS.sub("", section["id"])
    points = [point.text for point in (guide.points if guide else ()) if SIGNS.sub("", point.anchor) == own]
    notes = "".join(f"<p>{say(text)}</p>" for text in points)
    made = [slide("section", body + (f"<ul>{inner(listed)}</ul>" if listed else ""), notes)]
    for shown in section.select(".kc-figure, div.cell_output table"):
        if shown.name != "table":
            made.append(figure_slide(shown, title))
        elif any(cell.get_text(strip=True) == "verdict" for cell in shown.select("thead th")):
            made.append(slide("table", f"<h2>{title}</h2><table>{inner(shown)}</table>"))
    return made


def exercise_slide(exercise: Tag) -> str:
    """An exercise: the statement and the stub, never the solution."""
    number, title, level, minutes = EXERCISE.search(exercise.select_one(".admonition-title").get_text()).groups()
    parts = exercise.section.find_all(("p", "ul", "ol"), recursive=False)
    statement = "".join(f"<{part.name}>{inner(part)}</{part.name}>" for part in parts)
    stub = Tag(name="pre")
    stub.string = CHECK.sub("", exercise.select_one("div.cell_input pre").get_text()).strip()
    head = f'<p class="kc-kicker">Exercise {number} · {level} · {minutes} minutes</p><h2>{title}</h2>'
    return slide("exercise", f"{head}{statement}{stub}")


def deck(page: BeautifulSoup, number: int, guide: Guide | None = None) -> list[str]:
    """All slides of a chapter, in order."""
    top = page.select_one("article > section")
    parts = {inner(part.h2): part for part in top.find_all("section", recursive=False)}
    goals, done = (inner(parts[name].ul) for name in ("You will be able to", "Summary"))
    head = f'<p class="kc-kicker">Chapter {number}</p><h1>{inner(top.h1)}</h1>'
    question = f'<p class="kc-question">{inner(top.select_one("p > strong"))}</p>'
    made = [slide("title", head + question, f"{say(guide.goal)} {say(guide.time)}" if guide else "")]
    made.append(slide("text", f"<h2>You will be able to</h2><ul>{goals}</ul>"))
    for name, part in parts.items():
        made += [] if name in AROUND else section_slides(part, guide)
    if guide:
        notes = f"<p>{say(guide.mistake)}</p><p>{say(guide.answer)}</p>"
        made.append(slide("ask", f'<p class="kc-kicker">A question for you</p><h2>{say(guide.question)}</h2>', notes))
    made += [exercise_slide(each) for each in parts["Exercises"].select("div.exercise")]
    return [*made, slide("text", f"<h2>You have</h2><ul>{done}</ul>")]


def write_slides(root: Path) -> dict[Path, int]:
    """Write a deck for each chapter of the built book in the folder ``root``, and their list, to ``_build/slides``.

    Returns:
        The decks' paths, each with the number of its slides.

    Raises:
        ToolError: if the book isn't built.
    """
    built, out = root / "_build" / "html", root / "_build" / "slides"
    paths = sorted((built / "book").glob("[0-9][0-9]_*.html"))
    if not paths:
        raise ToolError("There is no built book to make slides of: run `make book` first.")
    shutil.copytree(built / "_static", out / "_static", dirs_exist_ok=True, ignore=shutil.ignore_patterns("explorer"))
    guides, decks, rows = read_guides(root / "book" / "teaching"), {}, ""
    for path in paths:
        page, number = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser"), int(path.name[:2])
        title, slides = inner(page.select_one("article h1")), deck(page, number, guides.get(number))
        scripts = [script for script in page.select("head script") if DRAWN.search(script.get("src", ""))]
        loaded = "".join(str(script).replace('"../', '"') for script in scripts)
        text = DECK.substitute(title=title, number=number, scripts=loaded, slides="\n".join(slides))
        write_whole(out / path.name, text)
        decks[out / path.name] = len(slides)
        question = inner(page.select_one("article p > strong"))
        rows += f'<li value="{number}"><a href="{path.name}">{title}</a><br>{question}</li>'
    write_whole(out / "index.html", DECKS.substitute(rows=rows))
    return decks
