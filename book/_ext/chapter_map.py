"""The map of chapters: what each one needs first, read from the chapters themselves.

``{chapter-map}`` draws the chapters below one another, with an arc from each to every chapter that its *Before you
start* names, and a table that says the same in words. Nothing is kept by hand, so the map can't go stale.
"""

import html
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _tools.chapters import all_needs, read_chapters

GUTTER = 96  # width of the arcs' column, in pixels
DOT = GUTTER - 8


def draw(chapters, address):
    """Return the map as HTML: arcs, rows grouped by part, and the table. ``address`` gives a chapter's link."""
    deep, by_number = all_needs(chapters), {c.number: c for c in chapters}
    rows, heights, part = [], {}, None
    for chapter in chapters:
        if chapter.part != part:
            part = chapter.part
            rows.append(
                f'<li class="kc-map-part"><span>{html.escape(part)}</span></li>'
            )
        heights[chapter.number] = len(rows) + 0.5
        near = " ".join(map(str, deep[chapter.number]))
        total = sum(
            by_number[n].minutes for n in (*deep[chapter.number], chapter.number)
        )
        needs = ", ".join(map(str, chapter.needs)) or "nothing"
        rows.append(
            f'<li class="kc-map-row" data-chapter="{chapter.number}" data-needs="{near}" data-total="{total}">'
            f'<a href="{address(chapter)}"><span class="kc-map-number">{chapter.number}</span> '
            f"<span>{html.escape(chapter.short)}</span></a>"
            f'<span class="kc-map-needs">needs {needs}</span>'
            f'<span class="kc-map-minutes">{chapter.minutes} min</span></li>'
        )
    arcs = "".join(
        f'<path d="{arc(heights[need], heights[chapter.number])}" data-from="{need}" data-to="{chapter.number}"/>'
        for chapter in chapters
        for need in chapter.needs
    )
    size = len(rows)
    svg = (
        f'<svg class="kc-map-arcs" viewBox="0 0 {GUTTER} {size}" preserveAspectRatio="none" aria-hidden="true" '
        f'style="height: calc({size} * var(--kc-row))">{arcs}</svg>'
    )
    hint = (
        "Point at a chapter, or move to it with the Tab key, to see what it builds on."
    )
    return (
        f'<div class="kc-map" role="group" aria-label="Map of the chapters: what you need first">{svg}'
        f'<ol class="kc-map-rows">{"".join(rows)}</ol></div>'
        f'<p class="kc-map-told" aria-live="polite" data-hint="{hint}">{hint}</p>{table(chapters, address)}'
    )


def arc(upper, lower):
    """Return an SVG path between two rows, further out the longer it is."""
    out = DOT - min(DOT - 2, 12 + 7.5 * (lower - upper) ** 0.9)
    return f"M{DOT},{upper:g} C{out:.0f},{upper:g} {out:.0f},{lower:g} {DOT},{lower:g}"


def table(chapters, address):
    """Return the same as a folded table with the chapters' questions."""
    head = "".join(
        f'<th scope="col">{t}</th>' for t in ("chapter", "question", "needs", "minutes")
    )
    body = ""
    for c in chapters:
        needs = ", ".join(map(str, c.needs)) or "–"
        body += (
            f'<tr><th scope="row"><a href="{address(c)}">{c.number}. {html.escape(c.short)}</a></th>'
            f"<td>{html.escape(c.question.replace('*', ''))}</td><td>{needs}</td><td>{c.minutes}</td></tr>"
        )
    hours = sum(c.minutes for c in chapters) / 60
    note = f"{len(chapters)} chapters, {hours:.0f} hours of reading and trying in all."
    return (
        '<details class="kc-map-table"><summary>The same as a table, with each chapter\'s question</summary>'
        f'<div tabindex="0" role="region" aria-label="Chapters, questions, needs and minutes">'
        f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div><p>{note}</p></details>'
    )


class ChapterMap(SphinxDirective):
    """Puts the map onto a page."""

    has_content = False

    def run(self):
        """Return the map as raw HTML, and note that this page depends on every chapter."""
        root = Path(self.env.srcdir)
        chapters = read_chapters(root)
        home = Path(self.env.docname).parent
        for chapter in chapters:
            self.env.note_dependency(str(root / home / f"{chapter.stem}.ipynb"))
        self.env.note_dependency(str(root / "_toc.yml"))
        return [
            nodes.raw("", draw(chapters, lambda c: f"{c.stem}.html"), format="html")
        ]


def setup(app):
    """Add the directive; called by Sphinx."""
    app.add_directive("chapter-map", ChapterMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
