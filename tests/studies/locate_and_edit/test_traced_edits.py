"""Tracing and editing, fact by fact: the committed table is what the code gives."""

import pytest

from helpers.editing.requests import edit_requests
from helpers.studies.locate_and_edit.traced_edits import traced_edits
from helpers.studies.tables import ASKED, FRESH, read_table


def test_the_committed_traced_edits(atlas):
    table = read_table("traced_edits")
    assert len(table) == table.fact.nunique() * 6 and list(dict.fromkeys(table.relation)) == list(ASKED)
    rows = traced_edits(atlas, edit_requests(atlas, ASKED[0], 10, FRESH)[:1])
    for column in ("stream", "MLP", "success"):
        assert rows[column].tolist() == pytest.approx(table[column][:6].tolist(), abs=0.02)
