"""The drawing of the two routes says what it should, and is well-formed."""

from xml.etree import ElementTree

from helpers.figures.display import COLORS
from helpers.studies.where_facts_are_kept.drawing import PLACES, routes


def test_both_routes_are_drawn_from_where_the_name_is_clear():
    tree = ElementTree.fromstring(routes().data)
    together, at_once = tree
    space = {"s": "http://www.w3.org/2000/svg"}
    for svg, clear, arrows in ((together, 1, 2), (at_once, 0, 1)):
        kept = [line for line in svg.findall("s:line", space) if line.get("stroke") == COLORS["subject"]]
        assert [float(line.get("x1")) for line in kept] == [PLACES[clear]]
        assert len(svg.findall("s:polygon", space)) == arrows
        words = [text.text for text in svg.findall("s:text", space)]
        assert {"Buma", "in", "Parlford", "heads fetch"} <= set(words)
        assert all(0 <= float(text.get("y")) <= 178 for text in svg.findall("s:text", space))
