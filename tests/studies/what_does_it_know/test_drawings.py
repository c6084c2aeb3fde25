"""The drawings of chapter 1 say what they should, and are well-formed."""

from xml.etree import ElementTree

from helpers.figures.display import COLORS
from helpers.studies.what_does_it_know.drawing import PLACES, ROWS, transformer, two_runs

SPACE = {"s": "http://www.w3.org/2000/svg"}


def words(svg: ElementTree.Element) -> list[str]:
    return [text.text for text in svg.findall("s:text", SPACE)]


def test_a_model_and_one_of_its_heads():
    model, head = ElementTree.fromstring(transformer().data)
    assert words(model).count("MLP") == words(model).count("E") == 5 and words(model).count("attn") == 1
    assert {"embed", "attention", "MLPs", "unembed", "Paris"} <= set(words(model))
    weights = [float(word) for word in words(head) if word.startswith("0.")]
    assert len(weights) == words(head).count("k") == words(head).count("v") == 3
    assert abs(sum(weights) - 1) < 1e-9, "the weights that are drawn sum to one"
    assert words(head).count("q") == 1


def test_a_state_is_put_in_where_it_was_kept_and_changes_only_what_comes_later():
    clean, corrupt = ElementTree.fromstring(two_runs().data)
    for svg, subject in ((clean, "France"), (corrupt, "Japan")):
        (ring,) = (c for c in svg.findall("s:circle", SPACE) if c.get("fill") == "none")
        assert (float(ring.get("cx")), float(ring.get("cy"))) == (PLACES[3], ROWS[1]) and subject in words(svg)
    changed = {
        (float(c.get("cx")), float(c.get("cy")))
        for c in corrupt.findall("s:circle", SPACE)
        if c.get("fill") == COLORS["subject"]
    }
    later = {(x, y) for x in PLACES[3:] for y in ROWS[2:]}
    assert changed == later | {(PLACES[3], ROWS[1])}
