"""Figures of heads hold the classes and counts that they were given."""

import pandas as pd
import pytest

from helpers.figures.display import COLORS
from helpers.studies.heads.plots import head_atlas, head_overview, looks_and_acts, sensitivity

COUNTS = pd.DataFrame(
    {"mover": [4, 0, 1], "relation": [0, 0, 2], "mixture": [0, 0, 1]}, index=["a0.h0", "a0.h1", "a1.h0"]
)


def frame(classes):
    columns = ("to_subject", "to_relation", "from_subject_answer", "from_relation_type", "model_diff")
    table = pd.DataFrame({"head": ["a0.h0", "a0.h1", "a1.h0"], "class": classes, "strength": [0.5, 0.0, 0.1]})
    table["effect_from_subject"] = [3.0, -1.0, 0.5]
    return table.assign(**dict.fromkeys(columns, 0.5))


def test_the_overview_fills_cells_by_share():
    figure = head_overview(COUNTS, 4, title="finding")
    bars = {trace.name: trace for trace in figure.data if trace.name}
    assert [bars[name].marker.color for name in COUNTS] == [COLORS[name] for name in COUNTS]
    full = figure.data[0].y[0]
    assert list(bars["mover"].y) == pytest.approx([full, 0, full / 4])
    assert bars["relation"].base[2] == pytest.approx(bars["mover"].base[2] + full / 4), "stacked"
    assert list(bars["mover"].x) == [0, 1, 0] and bars["mover"].base[2] > 0.5, "layers are rows"
    assert "mover in 4 of 4" in bars["mover"].customdata[0] and "no class" in bars["mover"].customdata[1]
    assert figure.layout.meta["table"][1] == ["a0.h0", 4, 0, 0]


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


def test_sensitivity_has_a_panel_for_each_threshold():
    rows = [(t, x, c, 1.0) for t in ("one", "two") for x in (0.5, 1.0, 2.0) for c in ("mover", "relation")]
    table = pd.DataFrame(rows, columns=["threshold", "times", "class", "heads"])
    figure = sensitivity(table, title="finding")
    assert sorted(a.text for a in figure.layout.annotations) == ["one", "two"] and len(figure.data) == 4


def test_looks_and_acts_shows_every_head_and_names_movers():
    figure = looks_and_acts(frame(["mover", "none", "relation"]), title="finding")
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in dots) == 3
    assert min(y for trace in dots for y in trace.y) == 0.01, "what doesn't fall is drawn at the bottom"
    assert [text.strip() for text in figure.data[-1].text] == ["a0.h0"]
