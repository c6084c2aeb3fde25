"""Figures hold the numbers that they were given."""

import pandas as pd
import pytest
import torch

from helpers import Graph
from helpers.figures import plots
from helpers.statistics import Estimate
from helpers.studies.edge_pruning.plots import agreement, growth, visits
from helpers.studies.graph_construction.plots import edge_matrix, lens
from helpers.studies.what_does_it_know.plots import head_map


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


def test_the_lens_shows_one_picture_at_a_time():
    picture = (torch.rand(3, 2), [["a", "b"]] * 3, ["BOS", "x"])
    figure = lens({"first": picture, "second": picture}, title="t")
    assert [trace.visible for trace in figure.data] == [True, False]
    visible = [button.args[0]["visible"] for button in figure.layout.updatemenus[0].buttons]
    assert visible == [[True, False], [False, True]] or visible == [(True, False), (False, True)]
    assert list(figure.data[0].y) == ["embedding", "after layer 0", "after layer 1"]


def test_curves_take_estimates_as_well():
    line = [Estimate(1.0, 0.5, 3.0), Estimate(2.0, 2.0, 2.0)]
    trace = plots.curves([0, 1], {"a": line}, ["clean"], title="t", x_title="x", y_title="y").data[0]
    assert list(trace.y) == [1, 2] and list(trace.error_y.array) == [2, 0]
    assert list(trace.error_y.arrayminus) == [0.5, 0]


def test_heads_and_chance():
    figure = head_map(torch.eye(2), title="t", unit="attention")
    assert figure.data[0].z.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    figure = plots.beside_chance(3.0, [1.0, 2.0], ("ours", "random"), title="t", unit="logits")
    assert list(figure.data[0].x) == [1.0, 2.0] and list(figure.data[1].x) == [3.0]


def test_the_edge_matrix_marks_the_edges():
    graph = Graph(2, 2, 2)
    traces = edge_matrix(graph, title="t").data
    marked = torch.stack([torch.tensor([[cell is not None for cell in row] for row in t.z]) for t in traces])
    assert torch.equal(marked.sum(0), graph.edges.int()), "each edge once"
    assert [int(kind.sum()) for kind in marked] == [30, 9, 7]


def test_estimates_have_their_intervals():
    figure = plots.estimates(["one", "two"], {"a": [Estimate(1.0, 0.5, 3.0)] * 2}, ["clean"], title="t", x_title="x")
    assert list(figure.data[0].x) == [1, 1] and list(figure.data[0].y) == ["one", "two"]
    assert list(figure.data[0].error_x.array) == [2, 2] and list(figure.data[0].error_x.arrayminus) == [0.5, 0.5]


def test_visits_tell_what_was_kept():
    diary = pd.DataFrame({"edge": ["a", "b", "c"], "worse": [0.0, 2.0, 0.1], "kept": [False, True, False]})
    figure = visits(diary, title="t")
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["kept"].x) == [2] and list(by_name["kept"].hovertext) == ["b"]
    assert list(by_name["dropped"].y) == [0.0, 0.1]


def test_agreement_has_a_panel_and_a_diagonal_for_each_method():
    table = pd.DataFrame({"exact": [0, 1, 2], "estimate": [0, 2, 3], "edge": list("abc")})
    both = pd.concat([table.assign(method=name) for name in ("EAP", "EAP-IG")])
    figure = agreement(both, title="t")
    assert [a.text for a in figure.layout.annotations] == ["EAP", "EAP-IG"]
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(lines) == 2 and all(list(t.x) == list(t.y) == [0, 2] for t in lines)


def test_growth_has_logarithmic_axes():
    table = pd.DataFrame(
        {"what": ["layers"] * 2 + ["heads"] * 2, "size": [2, 4, 2, 8], "seconds": 1.0, "search": "EAP"}
    )
    figure = growth(table, title="t")
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert {a.text for a in figure.layout.annotations} == {"layers", "heads"}


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
