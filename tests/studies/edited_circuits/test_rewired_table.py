"""The committed tables of edited circuits are what the code gives, and say what the chapter says."""

import pandas as pd
import pytest

from helpers.atlas.sample import corpus_covariance
from helpers.circuits.graph import Graph
from helpers.editing.requests import edit_requests
from helpers.studies.edited_circuits.rewired_table import (
    ASKED,
    EDITORS,
    EDITS,
    SEED,
    YARDSTICKS,
    by_setting,
    edit_row,
    heads_above,
    make,
    make_case,
    movers_of,
    setting_name,
    tables,
    yardstick_rows,
)
from helpers.studies.tables import read_table


@pytest.fixture(scope="module")
def table():
    return read_table("rewired")


def test_the_table_is_complete(table):
    edits = table[table.editor.isin(EDITORS)]
    counted = edits.groupby(["model", "relation"]).edit.nunique().to_dict()
    assert counted == {(model, name): n for model, n in EDITS.items() for name in ASKED}
    assert edits.groupby("editor", sort=False).layer.unique().map(tuple).to_dict() == EDITORS
    assert set(YARDSTICKS) < set(table.editor) and sum(counted.values()) >= 30


def test_a_row_is_what_the_code_gives(atlas, table):
    name = "country_capital"
    request = edit_requests(atlas, name, EDITS["atlas"], SEED)[0]
    case = make_case(atlas, request, movers_of(atlas, name))
    own = table[(table.model == "atlas") & (table.relation == name) & (table.edit == 0)].set_index(["editor", "layer"])
    yardsticks = pd.DataFrame(yardstick_rows(atlas, case)).set_index(["editor", "layer"])
    assert (yardsticks.edges - own.edges.loc[yardsticks.index]).abs().max() < 0.05
    editor, layer = "ROME, subject's last token", 1
    row, neighbours = edit_row(atlas, case, editor, layer, corpus_covariance(atlas, layer))
    committed = own.loc[editor, layer]
    for column in ("edges", "kept", "kept_before", "lost_movers", "lost_heads", "at_layer", "top1"):
        assert row[column] == pytest.approx(committed[column], abs=0.05), column
    assert len(neighbours) and neighbours.leaks.mean() == pytest.approx(committed.leak, abs=0.05)


def test_tables_from_rows():
    ranks = {f"rank{n}": 3.0 - n for n in range(3)}
    rows = pd.DataFrame([{"editor": "FT-M", "layer": 0, "edges": 0.12345, **ranks}] * 2)
    near = {"editor": "FT-M", "layer": 0, "leaks": [True, False], "fired": [0.9, 0.1], "similar": [0.1, 0.9]}
    found = tables({"atlas": (rows, pd.DataFrame(near))})
    assert found["rewired"].edges.tolist() == [0.123, 0.123] and found["rewired"].columns[0] == "model"
    assert found["rewired_ranks"].log_rank.tolist() == [3, 2, 1]
    assert found["rewired_ranks"].behind.tolist() == ["embed", "a0", "m0"]
    leaks = found["rewired_leaks"].iloc[0]
    assert (leaks.leaks, leaks.neighbours, leaks.fired, leaks.similar) == (1, 2, 1.0, 0.0)


def test_means_by_setting(table):
    means = by_setting(table, "edges")
    assert set(means) == {(e, n) for e, layers in EDITORS.items() for n in layers} | {(y, -1) for y in YARDSTICKS}
    own = table[(table.editor == "FT-M") & (table.layer == 3)].edges
    assert means["FT-M", 3] == pytest.approx(own.mean()) and means["FT-M", 3].low < own.mean() < means["FT-M", 3].high
    assert setting_name("ROME, subject's last token", 1) == "ROME, subject, layer 1"
    assert setting_name("another draw", -1) == "another draw"


def test_an_unknown_editor(atlas):
    with pytest.raises(ValueError, match="unknown editor 'MEMIT'"):
        make(atlas, "MEMIT", None, 0, None)


def test_heads_above_a_layer_of_a_deep_model():
    above = heads_above(Graph(12, 2, 2), 9)
    assert above == ["a10.h0", "a10.h1", "a11.h0", "a11.h1"]
    assert len(heads_above(Graph(12, 2, 2), 0)) == 22 and not heads_above(Graph(12, 2, 2), 11)
