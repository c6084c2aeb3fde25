"""Figures of wrong answers hold the numbers that they were given."""

import pandas as pd

from helpers.figures import plots
from helpers.studies.hallucination.plots import passed, roc


def test_stacked_shares_keep_the_order():
    table = pd.DataFrame({"right": [0.25, 1.0], "wrong": [0.75, 0.0]}, index=["rarely", "well"])
    figure = plots.stacked_shares(
        table, {"right": "answer", "wrong": "other", "never": "mover"}, title="t", x_title="x"
    )
    assert [trace.name for trace in figure.data] == ["right", "wrong", "never"]
    assert list(figure.data[0].x) == [0.25, 1.0] and list(figure.data[2].x) == [0, 0]
    assert list(figure.data[0].y) == ["rarely", "well"] and figure.layout.barmode == "stack"


def test_passed_has_a_bar_for_each_sublayer():
    paths = pd.DataFrame(
        {
            "behind": ["embed", "a0", "m0"],
            "part": ["embedding", "attention", "MLP"],
            "gap": [0.0, 1.0, -2.0],
            "added": [0.1, 0.5, -3.0],
        }
    )
    figure = passed(paths, ("Wellington", "dollar"), title="t")
    assert list(figure.data[2].y) == [-3.0] and list(figure.data[3].y) == [0.0, 1.0, -2.0]
    assert figure.layout.yaxis.title.text == "Wellington minus dollar, logits"


def test_roc_of_a_perfect_sign():
    table = pd.DataFrame({"right": [True, True, False, False], "sign": [4.0, 3.0, 2.0, 1.0]})
    figure = roc(table, {"sign": "the sign"}, ["mover"], title="t")
    perfect, guessing = figure.data
    assert perfect.name == "the sign" and (0.0, 1.0) in zip(perfect.x, perfect.y, strict=True)
    assert list(guessing.x) == list(guessing.y) == [0, 1]
