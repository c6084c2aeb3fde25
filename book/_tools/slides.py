"""Slides of the chapters, made from their own built pages: ``make slides``.

Each chapter becomes one page with reveal.js (``book/_static/vendor/reveal``): its question, its goals, for each section
the key sentence and the figures, which are live, the question from the teacher's guide, the exercises without their
solutions, and the summary. Speaker notes hold the guide's talking points. The folder needs no network and no server.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _tools.guides import Guide, read_guides
from _tools.slide_source import ChapterPage, SlideExercise, SlideFigure, SlideSection, SlideTable, read_page

ROWS, ROW_LETTERS = 7, 620  # of a table on one slide, at most
POINTS, LETTERS = 6, 560  # of a list on one slide, at most
KEY_ROOM = 160  # letters that a list leaves to a section's key sentence
CHECKS = 3
VENDOR = ("vendor/reveal", "vendor/fonts", "slides")
DRAWN_BY = {  # a mark in a deck -> the scripts that draw it
    "kcPlot(": ("vendor/plotly/plotly-cartesian.min.js",),
    "kcPicture(": ("vendor/circuitsvis.js",),
}
FIRST = re.compile(r"<h1>(.*?)</h1><p class=\"kc-question\">(.*?)</p>", re.S)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · slides · Knowledge Circuits</title>
<link rel="stylesheet" href="_static/vendor/reveal/reset.css">
<link rel="stylesheet" href="_static/vendor/reveal/reveal.css">
<link rel="stylesheet" href="_static/slides/slides.css">
{scripts}
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div><p class="kc-foot">Knowledge Circuits · {number}. {title}</p></div>
<script src="_static/vendor/reveal/reveal.js"></script>
<script src="_static/vendor/reveal/notes.js"></script>
<script src="_static/slides/start.js"></script>
</body>
</html>
"""


@dataclass(frozen=True)
class Deck:
    """What was written for one chapter."""

    path: Path
    title: str
    question: str
    slides: int


def slide(body: str, notes: str = "", kind: str = "text") -> str:
    """One slide; ``notes`` are HTML for the speaker's window."""
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    return f'<section class="on-{kind}"><div class="kc-body">{body}</div>{aside}</section>'


def split(points: Sequence[str], most: int, letters: int) -> list[list[str]]:
    """Points in groups that fit on a slide: at most so many, and at most so many letters."""
    groups: list[list[str]] = []
    for point in points:
        long = len(re.sub(r"<[^>]+>", "", "".join(groups[-1]) + point)) > letters if groups else True
        if not groups or len(groups[-1]) == most or long:
            groups.append([])
        groups[-1].append(point)
    return groups


def list_slides(title: str, points: Sequence[str], notes: str = "") -> list[str]:
    """A list as slides, as many as it takes."""
    groups = split(points, POINTS, LETTERS)
    made = []
    for n, group in enumerate(groups):
        more = f" <small>{n + 1} of {len(groups)}</small>" if len(groups) > 1 else ""
        body = "".join(f"<li>{point}</li>" for point in group)
        made.append(slide(f"<h2>{title}{more}</h2><ul>{body}</ul>", notes))
    return made


def figure_slide(figure: SlideFigure, section: SlideSection) -> str:
    """A figure, with its title as the slide's finding; its text alternative and what is said of it are notes."""
    drawing = figure.drawing.replace("CircuitsVis.render(", "kcPicture(")
    title = figure.title or html.escape(figure.alt)
    kind = "figure" if figure.title else "figure on-described"
    notes = f"<p>{figure.said}</p><p><em>{html.escape(figure.alt)}</em></p>"
    return slide(
        f'<p class="kc-kicker">{section.title}</p><h3>{title}</h3><div class="kc-slot">{drawing}</div>', notes, kind
    )


def table_slides(table: SlideTable, section: SlideSection) -> list[str]:
    """A table of verdicts as slides of a few rows each."""
    made = []
    groups = split(table.rows, ROWS, ROW_LETTERS)
    for n, rows in enumerate(groups):
        more = f" <small>{n + 1} of {len(groups)}</small>" if len(groups) > 1 else ""
        body = f"<table><thead>{table.head}</thead><tbody>{''.join(rows)}</tbody></table>"
        made.append(slide(f"<h2>{section.title}{more}</h2>{body}", kind="table"))
    return made


def plain(anchor: str) -> str:
    """An anchor's letters and digits: MyST and docutils differ in what they do with apostrophes."""
    return re.sub(r"[^a-z0-9]", "", anchor)


def section_slides(section: SlideSection, guide: Guide | None) -> list[str]:
    """A section: its key sentence and what its checks claim, then its figures and verdicts."""
    groups = split(section.points, POINTS, LETTERS - KEY_ROOM)
    listed = f"<ul>{''.join(f'<li>{point}</li>' for point in section.points)}</ul>" if len(groups) == 1 else ""
    checks = "".join(f"<li>{html.escape(claim)}</li>" for claim in section.checks[:CHECKS])
    checks = f'<div class="kc-checks"><p>Checked when the book is built:</p><ul>{checks}</ul></div>' if checks else ""
    notes = (
        "".join(f"<p>{say(point.text)}</p>" for point in guide.points if plain(point.anchor) == plain(section.anchor))
        if guide
        else ""
    )
    made = [slide(f'<h2>{section.title}</h2><p class="kc-key">{section.key}</p>{listed}{checks}', notes, "section")]
    for part in section.shown:
        made += [figure_slide(part, section)] if isinstance(part, SlideFigure) else table_slides(part, section)
    return made


def exercise_slide(exercise: SlideExercise) -> str:
    """An exercise: the statement and the stub, never the solution."""
    label = f"Exercise {exercise.number} · {exercise.level} · {exercise.minutes} minutes"
    stub = f"<pre>{html.escape(exercise.stub)}</pre>" if exercise.stub else ""
    head = f'<p class="kc-kicker">{label}</p><h2>{html.escape(exercise.title)}</h2>'
    return slide(head + exercise.statement + stub, kind="exercise")


def say(markdown: str) -> str:
    """A line of a guide as HTML: emphasis and code; of links the words."""
    text = html.escape(
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"\{\w+\}`([^`<]*)[^`]*`", r"\1", markdown)), quote=False
    )
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text))


def deck(page: ChapterPage, number: int, guide: Guide | None = None) -> list[str]:
    """All slides of a chapter, in order."""
    first = f'<p class="kc-kicker">Chapter {number}</p><h1>{page.title}</h1><p class="kc-question">{page.question}</p>'
    made = [slide(first, say(guide.goal) + " " + say(guide.time) if guide else "", "title")]
    made += list_slides("You will be able to", page.goals)
    for section in page.sections:
        made += section_slides(section, guide)
    if guide:
        notes = f"<p>{say(guide.mistake)}</p><p>{say(guide.answer)}</p>"
        made.append(slide(f'<p class="kc-kicker">A question for you</p><h2>{say(guide.question)}</h2>', notes, "ask"))
    made += [exercise_slide(exercise) for exercise in page.exercises]
    return made + list_slides("You have", page.summary)


def page_of(page: ChapterPage, number: int, slides: Sequence[str]) -> str:
    """The HTML page that shows the slides."""
    body = "\n".join(slides)
    uris = ["slides/draw.js", *(uri for mark, uris in DRAWN_BY.items() if mark in body for uri in uris)]
    uris += ["vendor/mathjax/tex-chtml-full.js"] if page.math and '"math' in body else []
    scripts = "\n".join(f'<script src="_static/{uri}"></script>' for uri in uris)
    return PAGE.format(title=page.title, number=number, scripts=scripts, slides=body)


def write_slides(root: Path, numbers: Sequence[int] = ()) -> list[Deck]:
    """Write the slides of the given chapters, or of all, to ``_build/slides``.

    Args:
        root: the book's folder, in which ``make book`` has been run.
        numbers: of the chapters; none means all.

    Raises:
        FileNotFoundError: if the book isn't built, or a chapter isn't there.
    """
    built = root / "_build" / "html"
    pages = {int(path.name[:2]): path for path in sorted((built / "book").glob("[0-9][0-9]_*.html"))}
    if not pages:
        raise FileNotFoundError(
            "The slides are made from the built book, and there is none yet: run `make book` first."
        )
    if unknown := [str(n) for n in numbers if n not in pages]:
        raise FileNotFoundError(
            f"There is no built chapter {', '.join(unknown)}; there are {min(pages)} to {max(pages)}."
        )
    out, guides, decks = root / "_build" / "slides", read_guides(root / "book" / "teaching"), []
    out.mkdir(parents=True, exist_ok=True)
    used = set()
    for number in numbers or pages:
        page = read_page(pages[number])
        slides = deck(page, number, guides.get(number))
        text = page_of(page, number, slides)
        used |= set(re.findall(r'src="_static/([^"]+)"', text))
        path = out / pages[number].name
        path.write_text(text, encoding="utf-8")
        decks.append(Deck(path, page.title, page.question, len(slides)))
    copy_assets(root / "book" / "_static", built / "_static", out / "_static", used)
    write_index(out)
    return decks


def copy_assets(static: Path, built: Path, target: Path, used: set[str]) -> None:
    """Copy what the slides load; ``circuitsvis`` is only in the built book."""
    for name in VENDOR:
        shutil.copytree(static / name, target / name, dirs_exist_ok=True)
    for uri in used:
        source = static / uri if (static / uri).is_file() else built / uri
        (target / uri).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / uri)
    if any("mathjax" in uri for uri in used):
        shutil.copytree(static / "vendor" / "mathjax", target / "vendor" / "mathjax", dirs_exist_ok=True)


def write_index(out: Path) -> None:
    """Write the list of all decks that there are."""
    rows = ""
    for path in sorted(out.glob("[0-9][0-9]_*.html")):
        title, question = FIRST.search(path.read_text(encoding="utf-8")).groups()
        rows += f'<li value="{int(path.name[:2])}"><a href="{path.name}">{title}</a><br>{question}</li>'
    help_ = (
        "Press <kbd>S</kbd> for the speaker's notes, <kbd>F</kbd> for the full screen, <kbd>Esc</kbd> for all slides."
    )
    (out / "index.html").write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Slides · Knowledge Circuits</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="_static/slides/slides.css"></head><body class="kc-index">'
        f"<h1>Knowledge Circuits: slides</h1><p>{help_}</p><ol>{rows}</ol></body></html>",
        encoding="utf-8",
    )
