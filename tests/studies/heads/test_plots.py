"""Figures of heads hold the classes and counts that they were given."""

import pandas as pd

from helpers.figures.display import COLORS
from helpers.studies.heads.drawing import TOKENS, classes
from helpers.studies.heads.plots import all_heads, movers


def test_movers_are_drawn_by_class():
    kinds = ["attribute mover", "propagation", "none"]
    table = pd.DataFrame({"head": ["a0.h0", "a0.h1", "a1.h0"], "class": kinds, "relation": "some_relation"})
    table = table.assign(effect_share=[0.5, 0.2, 0.9], direct_share=[0.8, 9.0, 0.5])
    marks, low, names = movers(table, title="finding").data
    assert (marks.name, low.name) == ("attribute mover", "propagation")
    assert list(marks.x) == [0.5] and list(low.y) == [1.35], "far values stand at the edge"
    assert marks.text[0] == "a0.h0, some relation"
    assert len(names.text) == 2, "no name for a head without a class"


def test_a_cell_is_filled_by_the_shares():
    counts = pd.DataFrame({"attribute mover": [4, 0], "relation": [0, 2]}, index=["a0.h0", "a1.h0"])
    figure = all_heads(counts, 4, title="finding")
    _, mover, relation = figure.data
    assert list(mover.y) == [0.86, 0.0] and list(relation.y) == [0.0, 0.43]
    assert mover.marker.color == COLORS["mover"] and relation.base[0] == 0.43
    assert figure.layout.meta["table"] == [["head", "attribute mover", "relation"], ["a0.h0", 4, 0], ["a1.h0", 0, 2]]


def test_the_drawing_names_its_parts():
    drawn = classes().data
    for word in (*TOKENS, "relation head", "propagation", "attribute mover", "MLPs", "Paris"):
        assert f">{word}<" in drawn
