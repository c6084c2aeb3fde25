"""Views of the tables: paired differences, verdicts, and the drawing."""

import pandas as pd
import pytest

from helpers.studies.editing_inside_circuits import drawing, views

ROWS = pd.DataFrame(
    [
        ("atlas2", "antonym", edit, place, "equal loss", steps)
        for edit in range(3)
        for place, steps in (("circuit's components", 4.0 + edit), ("other components", 7.0 + edit))
    ],
    columns=["model", "relation", "edit", "place", "at", "steps"],
)


def test_differences_are_those_of_the_same_edits():
    one, other = "circuit's components", "other components"
    assert views.gap(ROWS, other, one, "steps").row() == pytest.approx((3.0, 3.0, 3.0))
    assert [float(e) for e in views.by_place(ROWS, (one, other), "steps")] == [5.0, 8.0]
    table = views.gaps(ROWS, "steps")
    assert list(table.index) == [other] and table[other].startswith("3.00")
    assert views.n_edits(ROWS) == 3 and views.n_edits(pd.concat([ROWS, ROWS.assign(relation="plural")])) == 6


def test_a_window_of_sizes():
    kept = pd.DataFrame({0.01: [0.9, 0.0], 0.1: [1.0, 0.6], 0.5: [1.0, 1.0]}, index=["rule", "facts"])
    assert views.window(kept) == "mixed: 1% to 10%"
    assert views.window(kept.loc[["facts"]]) == "yes: 10% to 10%"
    assert views.window(kept.loc[["rule"]]) == "no: 1% to 1%"
    assert views.window(kept[[0.01]]) == "no: 1% to more", "facts need more than what was tried"


def test_the_drawing_has_as_many_parts_inside_as_outside():
    def kinds(parts):
        return sorted(part == drawing.HEADS for _, part in parts)

    assert kinds(drawing.CIRCUIT) == kinds(drawing.OTHERS) and not drawing.CIRCUIT & drawing.OTHERS
    assert drawing.places().data.count("<svg") == 4
