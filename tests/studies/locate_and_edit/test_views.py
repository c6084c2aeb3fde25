"""Scores out of the committed tables: questions are weighed, edits are counted, and intervals are exact at the ends."""

import pandas as pd
import pytest

from helpers.statistics import exact_interval
from helpers.studies.locate_and_edit import views


@pytest.fixture
def rows():
    columns = ["method", "layer", "place", "templates", "relation", "subject", "kind", "beats", "questions"]
    about = ("ROME", 6, "last", 1, "capital")
    return pd.DataFrame(
        [
            (*about, "France", "prompt", 1.0, 1),
            (*about, "France", "first hop, stated", 0.5, 2),
            (*about, "France", "reversed", 1.0, 1),
            (*about, "Spain", "prompt", 1.0, 1),
            (*about, "Spain", "first hop, held out", 0.0, 1),
        ],
        columns=columns,
    )


def test_questions_are_weighed_and_edits_counted(rows):
    each = views.each_edit(rows, views.SCORES["what follows"])
    assert each.to_dict() == {("capital", "France"): pytest.approx(2 / 3), ("capital", "Spain"): 0}
    assert views.count(rows, "what follows") == "2 (4)" and views.count(rows, "first hop, stated") == "1 (2)"
    assert float(views.score(rows, "first hop, held out")) == 0


def test_intervals_have_a_width_where_all_edits_agree(rows):
    assert views.score(rows, "efficacy").row() == exact_interval(2, 2).row()


def test_tables_are_text(rows):
    assert views.setting(rows, 6, "last").equals(rows) and views.setting(rows, 6, "last", "FT-L").empty
    assert list(views.score_table({"end": rows}, ["efficacy"]).loc["end"]) == ["1.00 [0.16, 1.00]", "2"]
    assert list(views.kind_table({"end": rows}, ["reversed", "second hop"]).index) == ["reversed"]
