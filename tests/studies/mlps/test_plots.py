"""Figures about MLPs and sharing hold the numbers that they were given."""

import pandas as pd

from helpers.figures import plots
from helpers.studies.mlps.plots import first_stops, rank_by_layer


def test_ranks_have_medians_and_quartiles():
    rows = [
        (place, stop, f"s{stop}", token, 10 * stop + pair + 1)
        for place in ("subject_last", "last")
        for stop in range(3)
        for token in ("answer", "random")
        for pair in range(5)
    ]
    table = pd.DataFrame(rows, columns=["place", "stop", "behind", "token", "rank"])
    places = {"subject_last": "subject", "last": "end"}
    figure = rank_by_layer(table, places, {"answer": "the answer", "random": "chance"}, title="t")
    assert len(figure.data) == 4 and [t.name for t in figure.data[:2]] == ["the answer", "chance"]
    line = figure.data[0]
    assert list(line.y) == [3, 13, 23] and list(line.x) == ["s0", "s1", "s2"]
    assert list(line.error_y.array) == [1, 1, 1] and list(line.error_y.arrayminus) == [1, 1, 1]
    assert figure.layout.yaxis.type == "log"


def test_first_stops_are_shares():
    table = pd.DataFrame({"behind": ["m0", "m0", "a1", "m1"], "part": ["MLP", "MLP", "attention", "MLP"], "model": "x"})
    figure = first_stops(table, ["embed", "a0", "m0", "a1", "m1"], "model", title="t")
    bars = {t.name: list(t.y) for t in figure.data}
    assert bars == {"attention": [0, 0, 0, 0.25, 0], "MLP": [0, 0, 0.5, 0, 0.25]}
    assert list(figure.layout.xaxis.categoryarray) == ["embed", "a0", "m0", "a1", "m1"]


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
