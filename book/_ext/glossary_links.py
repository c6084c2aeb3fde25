"""Links from the first use of a glossary's term on a page to its explanation.

Only running prose is linked: no headings, code, formulas, tables, captions or links, nor the lists before a chapter.
A page has at most one link for each term; where the author has set one with ``{term}``, none is added.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from figures import first_sentence

# Words that mostly mean something else in a sentence.
COMMON = {
    "Atlas": "the book's model is on every page, and the first chapter introduces it",
    "SmolLM2": "likewise",
    "object": "a thing in Python, too",
    "reader": "whoever reads this book, too",
    "source": "where a fact or a claim was taken from, too",
    "straight through": "the direction",
}
PAGES_WITHOUT = ("glossary", "references", "index")
SECTIONS_WITHOUT = {"before-you-start", "you-will-be-able-to", "references"}
PLACES_WITHOUT = (
    nodes.title,
    nodes.caption,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.emphasis,
    nodes.table,
    nodes.figure,
    nodes.term,
    nodes.raw,
    nodes.problematic,
)


def pattern(terms):
    """Return an expression that finds any of the terms as whole words, longest first, in singular or plural.

    Case counts where a term has a capital after its first letter: ROME is no city.
    """
    choices = []
    for term in sorted(terms, key=lambda term: (-len(term), term)):
        words = re.escape(term).replace("'", "['’]").replace(r"\ ", r"\s+")
        exact = any(letter.isupper() for letter in term[1:])
        plural = words[:-1] + "(?:y|ies)" if term.endswith("y") else words + "(?:s|es)?"
        choices.append(plural if exact else f"(?i:{plural})")
    return re.compile(rf"(?<![\w@-])(?:{'|'.join(choices)})(?![\w@-])")


def is_prose(text):
    """Return whether a text node stands in running prose."""
    paragraph, node = None, text.parent
    while node is not None:
        if isinstance(node, PLACES_WITHOUT):
            return False
        if isinstance(node, nodes.paragraph) and paragraph is None:
            paragraph = node
        if isinstance(node, nodes.section) and SECTIONS_WITHOUT & set(node["ids"]):
            return False
        node = node.parent
    if paragraph is None:
        return False
    question = len(paragraph.children) == 1 and isinstance(paragraph[0], nodes.strong)
    return not question


def link_first_uses(document, terms, address):
    """Link the first use of each term in a document; returns the terms that were linked.

    ``terms`` maps a term to its anchor and its first sentence, ``address`` an anchor to the glossary's address from
    this page.
    """
    known = {" ".join(term.lower().split()): term for term in terms}
    finder = pattern(terms)
    targets = {
        (r.get("refuri") or "").rpartition("#")[2]
        for r in document.findall(nodes.reference)
    }
    done = {term for term, (anchor, _) in terms.items() if anchor in targets}
    linked = []
    for text in [t for t in document.findall(nodes.Text) if is_prose(t)]:
        parts, end = [], 0
        for match in finder.finditer(text.astext()):
            term = known[singular(match[0], known)]
            if term in done:
                continue
            done.add(term)
            linked.append(term)
            anchor, told = terms[term]
            link = nodes.reference("", match[0], internal=True, refuri=address(anchor))
            link["classes"].append("kc-term")
            link["reftitle"] = told
            parts += [nodes.Text(text.astext()[end : match.start()]), link]
            end = match.end()
        if parts:
            parts.append(nodes.Text(text.astext()[end:]))
            text.parent.replace(text, [part for part in parts if part.astext()])
    return linked


def singular(word, known):
    """Return the form in which a found word stands in the glossary."""
    word = " ".join(word.replace("’", "'").lower().split())
    forms = [word, word.removesuffix("s"), word.removesuffix("es")]
    return next(
        form for form in [*forms, word.removesuffix("ies") + "y"] if form in known
    )


def without_citations(paragraph):
    """Return a paragraph's text without the keys of the papers that it cites."""
    copy = paragraph.deepcopy()
    for reference in list(copy.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "cite":
            reference.parent.remove(reference)
    return re.sub(r"\s+([.,;:])", r"\1", copy.astext())


def glossary_terms(env):
    """Return the book's terms with their anchors and the first sentences of their explanations."""
    objects = env.get_domain("std").objects
    anchors = {name: place for (kind, name), place in objects.items() if kind == "term"}
    told = {}
    for docname in {docname for docname, _ in anchors.values()}:
        for item in env.get_doctree(docname).findall(nodes.definition_list_item):
            definition = next(item.findall(nodes.definition), None)
            if definition is None or not definition.children:
                continue
            sentence = first_sentence(without_citations(definition[0])) + "."
            for term in item.findall(nodes.term):
                told |= dict.fromkeys(term["ids"], sentence)
    return {
        name: (anchor, told.get(anchor, ""))
        for name, (_, anchor) in anchors.items()
        if name not in COMMON
    }


class LinkFirstUses(SphinxPostTransform):
    """Link terms once all other references are resolved."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs):
        """Link the first uses on this page."""
        docname, builder = self.env.docname, self.app.builder
        if docname.rpartition("/")[2] in PAGES_WITHOUT:
            return
        if not hasattr(builder, "kc_terms"):
            builder.kc_terms = glossary_terms(self.env)
        if not builder.kc_terms:
            return
        objects = self.env.get_domain("std").objects
        home = next(
            place for (kind, _), (place, _) in objects.items() if kind == "term"
        )
        page = builder.get_relative_uri(docname, home)
        link_first_uses(
            self.document, builder.kc_terms, lambda anchor: f"{page}#{anchor}"
        )


def setup(app):
    """Add the transform; called by Sphinx."""
    app.add_post_transform(LinkFirstUses)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
