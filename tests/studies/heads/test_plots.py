"""Figures of heads hold the classes and counts that they were given."""

import pandas as pd

from helpers.figures.display import COLORS
from helpers.studies.heads.plots import head_atlas


def frame(classes):
    columns = ("to_subject", "to_relation", "from_subject_answer", "from_relation_type", "model_diff")
    table = pd.DataFrame({"head": ["a0.h0", "a0.h1", "a1.h0"], "class": classes, "strength": [0.5, 0.0, 0.1]})
    table["effect_from_subject"] = [3.0, -1.0, 0.5]
    return table.assign(**dict.fromkeys(columns, 0.5))


def test_the_atlas_shows_one_relation_at_a_time():
    frames = {"one": frame(["mover", "none", "relation"]), "two": frame(["none", "none", "mixture"])}
    figure = head_atlas(frames, title="finding")
    shown = [trace for trace in figure.data if trace.visible]
    assert {trace.name: len(trace.x) for trace in shown} == {"mover": 1, "relation": 1, "mixture": 0, "none": 1}
    place = {trace.name: (trace.x[0], trace.y[0]) for trace in shown if len(trace.x)}
    assert place == {"mover": (0, 0), "relation": (0, 1), "none": (1, 0)}
    assert next(t for t in shown if t.name == "mover").marker.color == COLORS["mover"]
    second = figure.layout.updatemenus[0].buttons[1].args[0]["visible"]
    assert [t.name for t, seen in zip(figure.data, second, strict=True) if seen and len(t.x)] == ["mixture", "none"]
    assert figure.layout.meta["table"][1:] == [
        ["one", "a0.h0", "mover", 0.5],
        ["one", "a1.h0", "relation", 0.1],
        ["two", "a1.h0", "mixture", 0.1],
    ]
