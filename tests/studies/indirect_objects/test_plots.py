"""Figures of skills hold the numbers that they were given."""

import pandas as pd

from helpers.figures import plots
from helpers.figures.display import COLORS
from helpers.statistics import Estimate
from helpers.studies.indirect_objects.plots import changes


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


def test_changes_have_intervals_and_grey_chance():
    rows = {"all": Estimate(3.0, 2.0, 5.0), "other heads": Estimate(0.1, 0.0, 0.2)}
    bars = changes(rows, 4.0, title="t", x_title="x", chance="other").data[0]
    assert list(bars.x) == [3.0, 0.1] and list(bars.error_x.array)[0] == 2.0
    assert list(bars.marker.color) == [COLORS["mover"], COLORS["other"]]
