"""Figures hold the numbers that they were given."""

import pandas as pd
import pytest
import torch

from helpers import Graph, plots
from helpers.evaluation import Estimate


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
    figure = plots.lens({"first": picture, "second": picture}, title="t")
    assert [trace.visible for trace in figure.data] == [True, False]
    visible = [button.args[0]["visible"] for button in figure.layout.updatemenus[0].buttons]
    assert visible == [[True, False], [False, True]] or visible == [(True, False), (False, True)]
    assert list(figure.data[0].y) == ["embedding", "after layer 0", "after layer 1"]


def test_heads_and_chance():
    figure = plots.head_map(torch.eye(2), title="t", unit="attention")
    assert figure.data[0].z.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    figure = plots.beside_chance(3.0, [1.0, 2.0], ("ours", "random"), title="t", unit="logits")
    assert list(figure.data[0].x) == [1.0, 2.0] and list(figure.data[1].x) == [3.0]


def test_beliefs_mark_what_was_told():
    table = pd.DataFrame({"told": [0.5, 0.5, 0.9], "believed": [0.4, 0.6, 0.8]})
    figure = plots.beliefs(table, "told", "believed", title="t", y_title="y")
    assert [list(t.y) for t in figure.data] == [[0.4, 0.6], [0.5], [0.8], [0.9]]


def test_the_edge_matrix_marks_the_edges():
    graph = Graph(2, 2, 2)
    traces = plots.edge_matrix(graph, title="t").data
    marked = torch.stack([torch.tensor([[cell is not None for cell in row] for row in t.z]) for t in traces])
    assert torch.equal(marked.sum(0), graph.edges.int()), "each edge once"
    assert [int(kind.sum()) for kind in marked] == [30, 9, 7]


def test_estimates_have_their_intervals():
    figure = plots.estimates(["one", "two"], {"a": [Estimate(1.0, 0.5, 3.0)] * 2}, ["clean"], title="t", x_title="x")
    assert list(figure.data[0].x) == [1, 1] and list(figure.data[0].y) == ["one", "two"]
    assert list(figure.data[0].error_x.array) == [2, 2] and list(figure.data[0].error_x.arrayminus) == [0.5, 0.5]
