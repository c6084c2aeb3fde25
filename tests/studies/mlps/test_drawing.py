"""The drawing of the two routes has its shares in it, and is well-formed."""

from xml.etree import ElementTree

from helpers.figures.display import COLORS
from helpers.studies.mlps.drawing import PLACES, Route, two_routes


def test_both_routes_are_drawn_with_their_shares():
    one = Route("One token", ("Vusus", "lives", "in", "..."), 0.8, 0.01, 0.3, "(town)")
    two = Route("Two tokens", ("Vusus", "Buma", "lives", "..."), 0.35, 0.19, 0.31, "(town)")
    space = {"s": "http://www.w3.org/2000/svg"}
    for svg, clear, route in zip(ElementTree.fromstring(two_routes(one, two).data), (0, 1), (one, two), strict=True):
        kept = [line for line in svg.findall("s:line", space) if line.get("stroke") == COLORS["subject"]]
        assert [float(line.get("x1")) for line in kept] == [PLACES[clear]]
        words = [text.text for text in svg.findall("s:text", space)]
        assert words.count("first MLP") == clear + 1 and words.count("later MLPs") == clear
        assert {f"cut: {route.first:.0%}", f"cut: {route.end:.0%}", *route.tokens} <= set(words)
        assert f"later MLPs cut: {route.later:.0%}" in words
