"""The page of claims: every verdict of the book, collected from the executed chapters while they are read.

A chapter's verdicts are the table that `helpers.studies.verdicts` shows; nothing is written down a second time.
``{claims}`` puts all of them onto a page, chapter by chapter, each with a link to its section.
"""

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from figures import chapter_of

TABLE = "kc-verdicts"
ANSWER = re.compile(r"\b(yes|no|open|mixed): ")
REAL, OWN = "SmolLM2", "Atlas"


@dataclass(frozen=True)
class Row:
    """A verdict: the claim with its source, the cells by model, and whether they agree."""

    claim: str
    source: str
    cells: dict[str, str]
    agree: str


class Reader(HTMLParser):
    """Reads the rows of a table of verdicts."""

    def __init__(self):
        """Start without rows."""
        super().__init__()
        self.rows, self._attrs, self._text = [], {}, []

    def handle_starttag(self, tag, attrs):
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self._attrs, self._text = dict(attrs), []

    def handle_data(self, data):
        """Take a cell's text."""
        self._text.append(data)

    def handle_endtag(self, tag):
        """End a cell."""
        if tag in ("th", "td"):
            self.rows[-1].append((self._attrs, "".join(self._text)))


def rows_of(markup):
    """Return the rows of a table of verdicts as `Row`s."""
    reader, rows = Reader(), []
    reader.feed(markup)
    for (head, said), *cells in reader.rows:
        if "data-source" not in head:
            continue
        found = {a["data-model"]: text for a, text in cells if "data-model" in a}
        claim = said.removesuffix(f" ({head['data-source']})")
        rows.append(Row(claim, head["data-source"], found, cells[-1][1]))
    return rows


def section_of(node):
    """Return the anchor and the title of the section that a node stands in."""
    while not isinstance(node, nodes.section):
        node = node.parent
    return node["ids"][0], node.next_node(nodes.title).astext()


def collect(app, doctree):
    """Note a page's verdicts, with the section in which they stand."""
    found = []
    for raw in doctree.findall(nodes.raw):
        if raw.get("format") == "html" and TABLE in raw.astext():
            found.append((*section_of(raw), rows_of(raw.astext())))
    if found:
        noted(app.env)[app.env.docname] = found


def noted(env):
    """Return the verdicts of all pages that have been read: page -> (anchor, title, rows)."""
    if not hasattr(env, "kc_claims"):
        env.kc_claims = {}
    return env.kc_claims


def purge(app, env, docname):
    """Forget a page that is read again, or gone."""
    noted(env).pop(docname, None)


def merge(app, env, docnames, other):
    """Take over what another process has read."""
    noted(env).update(
        {name: noted(other)[name] for name in docnames if name in noted(other)}
    )


def pages_with_claims(app, env):
    """Return the pages that have to be written anew whenever a chapter was read."""
    return sorted(getattr(env, "kc_claims_pages", ()))


def in_atlas(row):
    """Return the cells of Atlas as one text, with the models' names where there are several."""
    own = {name: text for name, text in row.cells.items() if name != REAL}
    if list(own) == [OWN]:
        return own[OWN]
    return "; ".join(f"{name}: {text}" for name, text in own.items())


def count(rows):
    """Return in a sentence how many claims there are, and with how many each model agrees."""
    said = [f"{len(rows)} claims."]
    for name, cell in ((REAL, lambda row: row.cells.get(REAL, "")), (OWN, in_atlas)):
        answers = [set(ANSWER.findall(cell(row))) for row in rows]
        asked = [answer for answer in answers if answer]
        yes, no = (sum(answer == {word} for answer in asked) for word in ("yes", "no"))
        rest = len(asked) - yes - no
        said.append(
            f"Asked of {name}: {len(asked)}; it agrees with {yes}, not with {no}, and {rest} are open or mixed."
        )
    return " ".join(said)


def draw(chapters):
    """Return all verdicts as HTML. ``chapters`` are (title, address, rows), in the book's order."""
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("what the source says", REAL, OWN, "agree?")
    )
    body = ""
    for title, address, rows in chapters:
        link = f'<a href="{html.escape(address)}">{html.escape(title)}</a>'
        body += f'<tbody><tr class="kc-claims-chapter"><th scope="rowgroup" colspan="4">{link}</th></tr>'
        for row in rows:
            source = f"<small>({html.escape(row.source)})</small>"
            body += f'<tr><th scope="row">{html.escape(row.claim)} {source}</th>'
            for cell in (row.cells.get(REAL, ""), in_atlas(row), row.agree):
                body += f"<td>{html.escape(cell)}</td>"
            body += "</tr>"
        body += "</tbody>"
    every = [row for _, _, rows in chapters for row in rows]
    return (
        f'<p>{html.escape(count(every))}</p><div class="pst-scrollable-table-container" tabindex="0" role="region" '
        f'aria-label="All claims"><table class="table kc-claims"><thead><tr>{head}</tr></thead>{body}</table></div>'
    )


class claims_list(nodes.General, nodes.Element):
    """Where the verdicts will stand once all chapters have been read."""


class Claims(SphinxDirective):
    """Puts all verdicts onto a page."""

    has_content = False

    def run(self):
        """Return the place for them."""
        if not hasattr(self.env, "kc_claims_pages"):
            self.env.kc_claims_pages = set()
        self.env.kc_claims_pages.add(self.env.docname)
        return [claims_list()]


def fill(app, doctree, docname):
    """Put the verdicts of all chapters in their place."""
    for place in list(doctree.findall(claims_list)):
        chapters = []
        for page in sorted(
            noted(app.env), key=lambda name: (chapter_of(name) or 0, name)
        ):
            name = app.env.titles[page].astext()
            for anchor, section, rows in noted(app.env)[page]:
                address = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
                number = chapter_of(page)
                title = (
                    f"{number}. {name}: {section}" if number else f"{name}: {section}"
                )
                chapters.append((title, address, rows))
        place.replace_self(nodes.raw("", draw(chapters), format="html"))


def setup(app):
    """Add the directive and connect the collection; called by Sphinx."""
    app.add_node(claims_list)
    app.add_directive("claims", Claims)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", pages_with_claims)
    app.connect("doctree-resolved", fill)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
