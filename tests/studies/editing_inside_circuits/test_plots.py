"""Figures of masks hold the numbers that they were given."""

import pandas as pd
import pytest

from helpers.studies.editing_inside_circuits.plots import by_share, count_and_fraction, losses


def test_by_share_is_logarithmic():
    line = ([0.9, 0.2], [0.8, 0.1], [1.0, 0.4])
    figure = by_share([0.5, 0.1], {"learned": line}, ["mover"], title="t", y_title="y")
    assert figure.layout.xaxis.type == "log" and list(figure.layout.xaxis.ticktext) == ["50%", "10%"]
    assert list(figure.data[0].y) == [0.9, 0.2] and figure.data[0].error_y.array[1] == pytest.approx(0.2)


def test_count_and_fraction_has_both_bars_and_the_chance():
    parts = pd.DataFrame(
        {"type": ["LayerNorm", "MLP in"], "composition": [0.02, 0.98], "fraction": [0.9, 0.1], "chance": [0.1, 0.1]}
    )
    figure = count_and_fraction(parts, title="t")
    assert list(figure.data[0].x) == [0.02, 0.98] and list(figure.data[1].x) == [0.9, 0.1]
    written = [(note.text, note.x) for note in figure.layout.annotations]
    assert written == [("2.0%", 0.02), ("98%", 0.98), ("90%", 0.9), ("10%", 0.1)], "none left of the dotted line"
    assert figure.layout.shapes[0].x0 == 0.1


def test_losses_has_a_line_for_each_place():
    figure = losses({"circuit": [3.0, 0.1], "rest": [3.0, 2.0, 1.0]}, ["mover", "relation"], title="t")
    assert [trace.name for trace in figure.data] == ["circuit", "rest"] and len(figure.data[1].x) == 3
    many = losses({f"place {i}": [1.0] for i in range(8)}, ["mover"] * 8, title="t")
    assert len(many.data) == 8, "no place is left out"
    with pytest.raises(ValueError, match="shorter"):
        losses({"circuit": [3.0], "rest": [2.0]}, ["mover"], title="t")
