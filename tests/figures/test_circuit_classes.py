"""Every class of heads has a colour and a mark that tell it from the classes it can stand beside."""

import itertools

import pytest

from helpers.circuits.graph import Graph
from helpers.components.head_classes import KNOWLEDGE
from helpers.figures.circuit_layout import CLASS_MARKS, class_legend, named_heads, node_marks
from helpers.figures.display import COLORS, INK
from helpers.studies.indirect_objects.skill_classes import SKILLS

GRAPH = Graph(2, 4, 4)


def test_every_class_has_a_mark():
    assert set(CLASS_MARKS) == {*KNOWLEDGE, *SKILLS}
    assert all(color in COLORS for color, _ in CLASS_MARKS.values())


@pytest.mark.parametrize("group", [KNOWLEDGE, SKILLS])
def test_classes_that_appear_together_differ(group):
    for a, b in itertools.combinations(group, 2):
        assert CLASS_MARKS[a][0] != CLASS_MARKS[b][0]
    symbols = [CLASS_MARKS[name][1] for name in SKILLS]
    assert len(set(symbols)) == len(SKILLS), "more colours than any vision tells apart: marks help"
    assert not {"square", "diamond"} & set(symbols), "these are MLPs, embedding and logits"


def test_named_nodes_are_larger_and_coloured():
    named = named_heads({"a0.h1": "name mover", "a1.h0": "none"}, GRAPH)
    assert named == {"a0.h1": "name mover"}
    marks = node_marks(["embed", "a0.h1", "a1.h0", "m1", "logits"], named, 10.0)
    assert marks["color"] == [INK, COLORS["answer"], INK, INK, INK]
    assert marks["symbol"] == ["diamond", "star", "circle", "square", "diamond"]
    assert marks["size"] == [10, 14, 10, 10, 10]


def test_the_legend_names_what_is_there():
    legend = class_legend({"a1.h0": "induction", "a0.h1": "previous token"})
    assert [trace.name for trace in legend] == ["previous token", "induction", "no class"]


def test_wrong_classes_are_refused():
    with pytest.raises(ValueError, match="no source"):
        named_heads({"a9.h0": "mover"}, GRAPH)
    with pytest.raises(ValueError, match="'boss'.*backup name mover"):
        named_heads({"a0.h0": "boss"}, GRAPH)
