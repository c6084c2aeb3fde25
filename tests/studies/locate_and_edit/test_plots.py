"""The figures of edits show what they were given."""

import pandas as pd
import pytest

from helpers.figures import plots
from helpers.studies.locate_and_edit.plots import role_maps, series, trade_off


def test_role_maps():
    table = pd.DataFrame([[0.1, 0.2], [0.9, 1.0]], index=["subject last", "last"], columns=[0, 1])
    figure = role_maps({"noise": table, "same type": table / 2}, title="t", unit="share")
    assert len(figure.data) == 2 and list(figure.data[0].x) == ["layer 0", "layer 1"]
    assert figure.data[1].z[1][0] == pytest.approx(0.45) and list(figure.data[0].y) == ["subject last", "last"]
    assert figure.layout.coloraxis.cmin == 0 and figure.layout.coloraxis.cmax == 1


def test_trade_off():
    rows = [("A", n, s, 0.5 + n / 10, 0.4, 0.9) for n in (0, 1, 2) for s in ("paraphrase", "neighbourhood")]
    rows += [("B", -1, s, 0.9, 0.8, 1.0) for s in ("paraphrase", "neighbourhood")]
    table = pd.DataFrame(rows, columns=["method", "layer", "score", "value", "low", "high"])
    figure = trade_off(table, "neighbourhood", "paraphrase", {"A": "mover", "B": "other"}, title="t")
    assert [trace.name for trace in figure.data] == ["A", "B"] and list(figure.data[0].text) == ["0", "", "2"]
    assert list(figure.data[0].x) == [0.5, 0.6, 0.7] and figure.data[0].error_x.array[1] == pytest.approx(0.3)
    assert figure.data[1].error_y.arrayminus[0] == pytest.approx(0.1) and figure.data[1].text[0] == ""
    assert list(figure.data[0].customdata) == [0, 1, 2] and "layer" in figure.data[0].hovertemplate
    assert "layer" not in figure.data[1].hovertemplate, "no layer is edited"


def test_series():
    rows = [(line, e, "edited", v + r) for line in "ab" for e, v in ((0, 0.8), (10, 0.5)) for r in (0, 0.1)]
    table = pd.DataFrame(rows, columns=["line", "edits", "measure", "value"])
    figure = series(table, {"edited": "heading"}, {"a": "mover", "b": "relation"}, title="t", x_title="edits")
    first = figure.data[0]
    assert first.name == "a" and list(first.x) == [0, 10] and first.y[1] == pytest.approx(0.55)
    assert first.error_y.array[1] == pytest.approx(0.05) and figure.layout.annotations[0].text == "heading"
    many = pd.concat([table.assign(line=name) for name in "abcdefg"])
    figure = series(many, {"edited": "h"}, dict.fromkeys("abcdefg", "mover"), title="t", x_title="edits")
    assert [trace.name for trace in figure.data] == list("abcdefg"), "no line is left out"


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
