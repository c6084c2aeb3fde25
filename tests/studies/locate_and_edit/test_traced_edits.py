"""Tracing and editing, fact by fact: the committed table, and what one says about the other."""

import numpy as np
import pandas as pd
import pytest

from helpers.editing.requests import edit_requests
from helpers.studies.locate_and_edit.traced_edits import traced_edits, tracing_adds
from helpers.studies.tables import ASKED, FRESH, read_table


def test_the_committed_traced_edits(atlas):
    table = read_table("traced_edits")
    assert len(table) == table.fact.nunique() * 6 and list(dict.fromkeys(table.relation)) == list(ASKED)
    rows = traced_edits(atlas, edit_requests(atlas, ASKED[0], 10, FRESH)[:1], progress=False)
    for column in ("stream", "MLP", "success"):
        assert rows[column].tolist() == pytest.approx(table[column][:6].tolist(), abs=0.02)


def test_what_tracing_adds_is_found_where_it_was_planted():
    rng = np.random.default_rng(1)
    fact, layer = (part.ravel() for part in np.meshgrid(range(60), range(6), indexing="ij"))
    trace, noise = rng.normal(size=360), rng.normal(size=360)
    blind = tracing_adds(pd.DataFrame({"fact": fact, "layer": layer, "MLP": trace, "success": layer + noise}))
    assert blind["layer"] > 0.6 and blind["tracing adds"] < 0.02
    told = tracing_adds(pd.DataFrame({"fact": fact, "layer": layer, "MLP": trace, "success": layer + trace}))
    assert told["layer"] + told["tracing adds"] == pytest.approx(1)
    assert told["tracing adds"] > 5 * told["exchanged traces add"]
    by_fact = tracing_adds(pd.DataFrame({"fact": fact, "layer": layer, "MLP": trace, "success": fact % 7 + layer}))
    assert by_fact["layer and fact"] == pytest.approx(1)


def test_a_fact_without_all_layers():
    rows = pd.DataFrame({"fact": [0, 0, 1], "layer": [0, 1, 0], "MLP": 0.5, "success": [0.1, 0.2, 0.3]})
    for table in (rows, rows.head(0), pd.concat([rows, rows])):
        with pytest.raises(ValueError, match="one row for each layer"):
            tracing_adds(table)
