"""The two drawings are well-formed, stay on their canvas, and cut one edge."""

from xml.etree import ElementTree

from helpers.figures.display import COLORS
from helpers.studies.graph_construction.drawing import READERS, SOURCES, head, one_edge

SPACE = {"s": "http://www.w3.org/2000/svg"}


def words(svg: ElementTree.Element) -> set[str]:
    return {"".join(text.itertext()) for text in svg.findall("s:text", SPACE)}


def test_a_head_has_four_matrices():
    (svg,) = ElementTree.fromstring(head().data)
    assert {"WQ", "WK", "WV", "WO", "France", "is"} <= words(svg)


def test_the_graph_has_all_edges_but_one_and_that_one_carries_something_else():
    stream, graph = ElementTree.fromstring(one_edge().data)
    names = {name for name, *_ in (*SOURCES, *READERS)}
    assert names <= words(stream) and names <= words(graph)
    curves = graph.findall("s:path", SPACE)
    assert [curve.get("stroke") for curve in curves].count(COLORS["corrupt"]) == 1
    assert len(curves) == sum(sees for *_, sees in READERS)
    assert len(stream.findall("s:polygon", SPACE)) == len(SOURCES) + len(READERS)


def test_nothing_leaves_the_canvas():
    for drawn in (head(), one_edge()):
        for svg in ElementTree.fromstring(drawn.data):
            _, _, width, height = map(float, svg.get("viewBox").split())
            for text in svg.findall("s:text", SPACE):
                assert 0 < float(text.get("x")) < width and 0 < float(text.get("y")) < height
