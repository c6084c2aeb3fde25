"""Numbers, captions and anchors for the figures that chapters show.

A chapter's outputs hold figures as ``<div class="kc-figure ...">``, without a number: a notebook doesn't know where it
stands in the book. Here each becomes a ``<figure>`` whose caption says "Figure 4.3" and the finding, with an address of
its own (``#fig-4-3``) that other pages link to as ``{ref}`fig-4-3` ``.
"""

import html
import re
from pathlib import PurePosixPath

from docutils import nodes

OPENING = re.compile(
    r'<div class="(?P<classes>kc-figure[^"]*)"(?: role="figure")?(?P<rest>[^>]*)>'
)
LABEL = re.compile(r'aria-label="(?P<alt>[^"]*)"')
HEADING = re.compile(
    r'\s*<p class="kc-title">(?P<title>.*?)</p>(?P<subtitle><p class="kc-subtitle">.*?</p>)?',
    re.S,
)
CHAPTER = re.compile(r"(\d+)_")
SENTENCE = re.compile(r"(?<=[a-z0-9)\]%\"'][.!?])\s+(?=[A-Z0-9])")


def chapter_of(docname):
    """Return the number that a chapter's file name starts with, or None for other pages."""
    match = CHAPTER.match(PurePosixPath(docname).name)
    return int(match[1]) if match else None


def first_sentence(text):
    """Return the first sentence of a text without its full stop."""
    return SENTENCE.split(" ".join(text.split()), maxsplit=1)[0].removesuffix(".")


def captioned(markup, chapter, number):
    """Write a figure's HTML as a <figure> with a caption; with a number and an address if it stands in a chapter.

    Returns the new HTML and the caption as text, or None for HTML that is no figure of ours.
    """
    markup = markup.strip()
    opening = OPENING.match(markup)
    if not opening or not markup.endswith("</div>"):
        return None
    body = markup[opening.end() : -len("</div>")]
    heading = HEADING.match(body)
    if heading:
        title, subtitle = heading["title"], heading["subtitle"] or ""
        body = body[heading.end() :]
    else:  # a circuitsvis picture, or a figure whose controls change the title inside it
        alt = LABEL.search(opening["rest"])
        title, subtitle = (first_sentence(html.unescape(alt["alt"])) if alt else ""), ""
        title = html.escape(title, quote=False)
    ident, mark, link = "", "", ""
    if chapter is not None:
        name = f"Figure {chapter}.{number}"
        ident = f' id="fig-{chapter}-{number}"'
        mark = f'<span class="kc-number">{name}.</span> '
        link = f' <a class="headerlink" href="#fig-{chapter}-{number}" title="Link to {name}">#</a>'
    caption = f'<figcaption><p class="kc-title">{mark}{title}{link}</p>{subtitle}</figcaption>'
    figure = f'<figure class="{opening["classes"]}"{ident}{opening["rest"]}>{caption}{body}</figure>'
    return figure, html.unescape(re.sub(r"<[^>]+>", "", title))


def number_figures(app, doctree):
    """Caption all figures of a page, in the order in which they stand, and make their names known to the book."""
    docname = app.env.docname
    chapter, number = chapter_of(docname), 0
    labels = app.env.get_domain("std")
    for raw in doctree.findall(nodes.raw):
        if raw.get("format") != "html":
            continue
        made = captioned(raw.astext(), chapter, number + 1)
        if made is None:
            continue
        number += 1
        raw.children = [nodes.Text(made[0])]
        raw.rawsource = made[0]
        if chapter is not None:
            label = f"fig-{chapter}-{number}"
            labels.labels[label] = docname, label, f"Figure {chapter}.{number}"
            labels.anonlabels[label] = docname, label


def setup(app):
    """Connect the numbering; called by Sphinx."""
    app.connect("doctree-read", number_figures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
