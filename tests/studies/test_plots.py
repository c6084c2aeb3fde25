"""Figures hold the numbers that they were given."""

import pandas as pd
import pytest

from helpers.figures.display import COLORS
from helpers.statistics import Estimate
from helpers.studies import plots


def test_dots_have_a_row_for_each_label():
    table = pd.DataFrame({"name": ["a", "b"], "first": [0.1, 0.2], "second": [0.3, 0.4]})
    figure = plots.dots(table, "name", {"first": "other", "second": "answer"}, title="finding", x_title="share")
    assert [list(t.x) for t in figure.data] == [[0.1, 0.2], [0.3, 0.4]]
    assert figure.layout.title.text == "finding" and figure.layout.xaxis.title.text == "share"


def test_curves_have_their_error_bars():
    lines = {"one": ([2.0, 3.0], [1.0, 2.5], [4.0, 3.5])}
    figure = plots.curves([0, 1], lines, ["clean"], title="t", x_title="x", y_title="y")
    bars = figure.data[0].error_y
    assert list(bars.array) == [2.0, 0.5] and list(bars.arrayminus) == [1.0, 0.5]
    with pytest.raises(ValueError):
        plots.curves([0, 1], lines, [], title="t", x_title="x", y_title="y")


def test_curves_take_estimates_as_well():
    line = [Estimate(1.0, 0.5, 3.0), Estimate(2.0, 2.0, 2.0)]
    trace = plots.curves([0, 1], {"a": line}, ["clean"], title="t", x_title="x", y_title="y").data[0]
    assert list(trace.y) == [1, 2] and list(trace.error_y.array) == [2, 0]
    assert list(trace.error_y.arrayminus) == [0.5, 0]


def test_estimates_have_their_intervals():
    figure = plots.estimates(["one", "two"], {"a": [Estimate(1.0, 0.5, 3.0)] * 2}, ["clean"], title="t", x_title="x")
    assert list(figure.data[0].x) == [1, 1] and list(figure.data[0].y) == ["one", "two"]
    assert list(figure.data[0].error_x.array) == [2, 2] and list(figure.data[0].error_x.arrayminus) == [0.5, 0.5]


def test_a_table_map_holds_the_table():
    table = pd.DataFrame({"x": [0.1, 0.2], "y": [0.3, 1.0]}, index=["a", "b"])
    (trace,) = plots.table_map(table, title="t", unit="share").data
    assert trace.z.tolist() == table.to_numpy().tolist() and trace.zmax == 1
    assert list(trace.x) == ["x", "y"] and list(trace.y) == ["a", "b"]


def test_stacked_shares_keep_the_order():
    table = pd.DataFrame({"right": [0.25, 1.0], "wrong": [0.75, 0.0]}, index=["rarely", "well"])
    figure = plots.stacked_shares(
        table, {"right": "answer", "wrong": "other", "never": "mover"}, title="t", x_title="x"
    )
    assert [trace.name for trace in figure.data] == ["right", "wrong", "never"]
    assert list(figure.data[0].x) == [0.25, 1.0] and list(figure.data[2].x) == [0, 0]
    assert list(figure.data[0].y) == ["rarely", "well"] and figure.layout.barmode == "stack"


def test_by_layer():
    panels = {"last": {"editing": [0, 1], "tracing": [1, 0]}, "subject": {"editing": [0.2, 0.1]}}
    figure = plots.by_layer([0, 1], panels, title="t", y_title="share", dotted=["tracing"])
    assert [(t.name, t.line.dash, t.showlegend) for t in figure.data] == [
        ("editing", "solid", True),
        ("tracing", "dot", True),
        ("editing", "solid", False),
    ]
    assert figure.data[0].line.color == figure.data[2].line.color and not figure.layout.shapes
    level = plots.by_layer([0, 1], panels, title="t", y_title="share", level=0.5)
    assert [shape.y0 for shape in level.layout.shapes] == [0.5, 0.5]
    with pytest.raises(ValueError, match="6 lines are too many"):
        plots.by_layer([0], {"last": {name: [1] for name in "abcdef"}}, title="t", y_title="share")


def test_the_clustered_map_holds_table_and_groups():
    table = pd.DataFrame([[1.0, 0.2], [0.2, 1.0]], ["a_x", "b"], ["a_x", "b"])
    figure = plots.clustered(table, {"a_x": "one", "b": "two"}, title="t", unit="shared")
    strip, heat, *legend = figure.data
    assert heat.z.tolist() == table.to_numpy().tolist() and list(heat.x) == ["a x", "b"]
    assert [list(row) for row in strip.z] == [[0], [1]] and [t.name for t in legend] == ["one", "two"]
    part = plots.clustered(table.loc[["b"], ["b"]], {"a_x": "one", "b": "two"}, title="t", unit="shared")
    assert [t.name for t in part.data[2:]] == ["two"] and part.data[2].marker.color == legend[1].marker.color


def test_strips_have_a_row_for_each_label():
    table = pd.DataFrame({"head": ["h", "h", "g"], "lost": [0.1, 0.2, 0.3], "hover": ["x", "y", "z"]})
    figure = plots.strips(table, "head", "lost", "mlp", title="t", x_title="lost")
    assert [(t.name, list(t.x)) for t in figure.data] == [("h", [0.1, 0.2]), ("g", [0.3])]
    assert list(figure.data[0].hovertext) == ["x", "y"]


def test_heads_stand_where_they_were_measured():
    table = pd.DataFrame(
        {"head": ["a", "b"], "class": ["x", "y"], "model": ["one", "one"], "u": [0.1, 0.9], "v": [1, 0]}
    )
    figure = plots.heads_on_axes(table, "u", "v", {"x": "mover"}, title="t", labels={"u": "looks"})
    points = {t.name: (t.x[0], t.y[0], t.marker.color) for t in figure.data}
    assert points == {"x": (0.1, 1, COLORS["mover"]), "y": (0.9, 0, COLORS["other"])}
    assert figure.layout.xaxis.title.text == "looks" and figure.layout.annotations[0].text == "one"


def test_formation_is_a_line_for_each_measure():
    table = pd.DataFrame({"step": [50, 100], "a": [0.0, 1.0], "b": [0.2, 0.4]})
    figure = plots.formation(table, {"a": "mover", "b": "answer"}, title="t", y_title="y", formed=(50, 100))
    assert [(t.name, list(t.y)) for t in figure.data] == [("a", [0.0, 1.0]), ("b", [0.2, 0.4])]
    assert figure.layout.xaxis.type == "log" and len(figure.layout.shapes) == 1
