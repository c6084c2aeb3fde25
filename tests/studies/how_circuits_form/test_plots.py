"""Figures over training steps hold the numbers that they were given."""

from helpers.figures import plots
from helpers.studies.how_circuits_form.plots import stacked_lines


def test_panels_share_names_colours_and_shading():
    panels = {"one": {"a": ([1, 10], [0, 1]), "b": ([1, 10], [1, 0])}, "two": {"a": ([10, 100], [2, 3])}}
    colors = {"a": "mover", "b": "mlp"}
    shaded = {"course": (2, 3)}
    figure = stacked_lines(panels, colors, title="t", x_title="x", shaded=shaded)
    assert [trace.name for trace in figure.data] == ["a", "b", "a"]
    assert [trace.showlegend for trace in figure.data] == [True, True, False]
    assert figure.data[0].line.color == figure.data[2].line.color and list(figure.data[2].y) == [2, 3]
    assert len(figure.layout.shapes) == 2 and figure.layout.xaxis2.title.text == "x"
    assert list(figure.layout.xaxis.tickvals) == [1, 10, 100]


def test_columns_of_panels():
    panels = {str(n): {"a": ([1, 2], [0, 1])} for n in range(4)}
    figure = stacked_lines(panels, {"a": "mover"}, title="t", x_title="x", columns=2)
    assert len({axis for trace in figure.data for axis in [trace.xaxis]}) == 4
    assert figure.layout.xaxis3.title.text == figure.layout.xaxis4.title.text == "x"


def test_by_count():
    lines = {"a": ([1, 2], [0.1, 0.2])}
    figure = plots.by_count(lines, {"a": "mover"}, title="t", x_title="x", y_title="y", ticks=[1, 2])
    assert figure.layout.xaxis.type == "log" and list(figure.data[0].y) == [0.1, 0.2]
