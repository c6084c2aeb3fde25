"""Figures of contests hold the numbers that they were given."""

import numpy as np
import pandas as pd

from helpers.studies.competition.plots import by_group, predicted_against_measured, told_gap, win_shares


def test_foreseen_has_a_mark_for_each_winner():
    table = pd.DataFrame({"predicted": [1.0, -2.0, 3.0], "measured": [2.0, -1.0, -4.0]})
    figure = predicted_against_measured(table, ("memory", "copy"), title="t")
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["memory wins"].x) == [1.0] and list(by_name["copy wins"].y) == [-1.0, -4.0]
    assert list(by_name["as foreseen"].x) == list(by_name["as foreseen"].y) == [-4.0, 3.0]


def test_boxes_by_group():
    table = pd.DataFrame({"n": [0, 0, 3], "a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    figure = by_group(table, "n", {"a": "A", "b": "B"}, ["mover", "relation"], title="t", axes=("x", "y"))
    assert [trace.name for trace in figure.data] == ["A", "B"]
    assert list(figure.data[1].y) == [4.0, 5.0, 6.0] and list(figure.data[0].x) == ["0", "0", "3"]
    assert figure.layout.xaxis.title.text == "x" and figure.layout.boxmode == "group"


def test_told_gap_marks_the_log_odds():
    table = pd.DataFrame({"told": [0.9, 0.5, 0.9], "gap": [2.0, 0.1, 1.0]})
    figure = told_gap(table, title="t")
    boxes, odds = figure.data
    assert list(boxes.x) == ["50%", "90%", "90%"] and list(boxes.y) == [0.1, 2.0, 1.0]
    assert list(odds.x) == ["50%", "90%"] and np.allclose(odds.y, [0, np.log(9)])


def test_win_shares_are_stacked():
    table = pd.DataFrame({"first": [0.5, 0.2], "neither": [0.1, 0.2], "second": [0.4, 0.6]}, index=[0, 4])
    figure = win_shares(table, ("memory", "copy"), title="t", x_title="repeated tokens")
    assert [trace.name for trace in figure.data] == ["memory wins", "neither wins", "copy wins"]
    assert list(figure.data[2].y) == [0.4, 0.6] and list(figure.data[0].x) == ["0", "4"]
    assert figure.layout.barmode == "stack"
