"""A term's first use in running prose is linked, once for each page, and nothing else is."""

import sys
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import glossary_links  # noqa: E402

TERMS = {
    name: (f"term-{name.replace(' ', '-')}", f"What {name} is.")
    for name in ("edge", "edge pruning", "circuit", "ROME", "MLP", "Cohen's kappa", "memory", "probe", "EAP", "EAP-IG")
}


def linked(text: str) -> tuple[list[str], nodes.document]:
    document = publish_doctree(text, settings_overrides={"report_level": 5})
    return glossary_links.link_first_uses(document, TERMS, lambda anchor: f"glossary.html#{anchor}"), document


def test_only_the_first_use_is_linked_to_the_glossary():
    names, document = linked("A circuit has edges. Another circuit has another edge.")
    assert names == ["circuit", "edge"]
    first, second = document.findall(nodes.reference)
    assert (first.astext(), second.astext()) == ("circuit", "edges"), "the text stays as it is"
    assert first["refuri"] == "glossary.html#term-circuit" and first["reftitle"] == "What circuit is."
    assert first["classes"] == ["kc-term"]
    assert document.astext() == "A circuit has edges. Another circuit has another edge."


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("We call it edge pruning.", ["edge pruning"]),
        ("Use EAP-IG, not EAP.", ["EAP-IG", "EAP"]),
        ("Circuits and Probes.", ["circuit", "probe"]),
        ("Two memories of MLPs.", ["memory", "MLP"]),
        ("He went to Rome with ROME.", ["ROME"]),
        ("Cohen’s kappa it is.", ["Cohen's kappa"]),
        ("A circuitry, knowledge-edge, cutedge and edge-wise.", []),
        ("In **edges** that are bold.", ["edge"]),
        ("In *edges* that are named and ``edge`` in code.", []),
    ],
)
def test_whole_words_longest_first(text, names):
    assert linked(text)[0] == names


def test_headings_questions_tables_and_lists_before_a_chapter_stay_bare():
    text = """
A circuit's page
================

**Which edge is it?**

Before you start
----------------

An edge.

Text
----

=======  ====
circuit  edge
=======  ====

`A circuit <other.html>`_ and a probe.

References
----------

ROME.
"""
    assert linked(text)[0] == ["probe"]


def test_where_the_author_links_a_term_no_other_link_is_added():
    assert linked("A circuit, and an `edge <glossary.html#term-edge>`_; an edge, a circuit.")[0] == ["circuit"]


def test_words_left_out_are_terms_and_have_a_reason():
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    for term, reason in glossary_links.COMMON.items():
        assert f"\n{term}\n" in glossary and reason


def test_citations_are_no_part_of_a_tooltip():
    document = publish_doctree("A thing.")
    paragraph = document[0]
    cite = glossary_links.addnodes.pending_xref("", nodes.inline("", "key2020"), refdomain="cite")
    paragraph += [nodes.Text(" Said by "), cite, nodes.Text(".")]
    assert glossary_links.without_citations(paragraph) == "A thing. Said by."
    assert "key2020" in paragraph.astext(), "the page itself keeps them"
