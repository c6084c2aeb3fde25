"""The committed tables of masks are what the code gives, and add up."""

import pytest

from helpers.editing.requests import edit_requests
from helpers.editing.scores import unrelated_texts
from helpers.studies.editing_inside_circuits.edits import confined_rows, edit_places
from helpers.studies.editing_inside_circuits.masks import full_mask, random_mask, top_mask
from helpers.studies.editing_inside_circuits.search import SHARES, first_order, hits
from helpers.studies.editing_inside_circuits.table import (
    EDITED,
    EDITS,
    REQUEST_SEED,
    TASKS,
    UNRELATED,
    judges,
    overlap_rows,
    searches,
)
from helpers.studies.editing_inside_circuits.tasks import mask_task
from helpers.studies.tables import read_table


def test_every_search_is_in_the_table():
    table = read_table("masks")
    for search in searches():
        rows = table[(table[list(search.columns)] == list(search.columns.values())).all(axis=1)]
        assert set(rows.share) == set(SHARES)
        assert set(rows.method) == ({"learned", "first-order", "random"} if search.plain else set(rows.method))
    assert table.kept.between(table.low, table.high).all()


def test_a_first_order_mask_keeps_what_the_table_says(atlas):
    scores, asked = first_order(atlas, mask_task(atlas, "antonym")), judges(atlas, "antonym")
    table = read_table("masks").query("model == 'atlas' and task == 'antonym' and seed == 0 and share == 0.2")
    committed = table[(table.method == "first-order") & (table.rate == 0.01)].set_index("asked").kept
    for kind in ("training", "other facts"):
        assert hits(atlas, top_mask(scores, 0.2), asked[kind]).mean().item() == pytest.approx(committed[kind], abs=0.05)


def test_masks_have_their_size(atlas):
    table, total = read_table("mask_parts"), full_mask(atlas).total
    layers = table[table.pool == "layers"]
    sizes = layers.groupby(["model", "task", "seed", "rate", "true_answers", "share"]).kept.sum()
    assert (sizes.to_numpy() == [round(key[-1] * total) for key in sizes.index]).all()


def test_an_edit_learns_as_fast_as_the_table_says(atlas):
    request = edit_requests(atlas, "antonym", EDITS, REQUEST_SEED)[:1]
    row = confined_rows(atlas, request, {"all": full_mask(atlas)}, unrelated_texts(UNRELATED)).iloc[0]
    table = read_table("mask_edits").query("model == 'atlas' and task == 'antonym' and seed == 0 and rule == 'matched'")
    committed = table[(table.place == "all") & (table.edit == 0)].iloc[0]
    assert row.steps == pytest.approx(committed.steps, abs=0.05)
    assert row.drift == pytest.approx(committed.drift, abs=0.002)


def test_edits_are_complete(atlas):
    table = read_table("mask_edits")
    counts = table[(table.share == 0.1) & (table.seed == 0) & (table.model == "atlas")]
    counts = counts.groupby(["task", "rule", "place"]).edit.nunique()
    assert (counts == EDITS).all() and len(counts) == len(EDITED) * 3 * len(edit_places(full_mask(atlas)))


def test_overlaps(atlas):
    table = read_table("mask_overlap")
    assert set(table.task) | set(table.other) == set(TASKS)
    assert (table.jaccard > table.chance).all()
    searched = searches()[:2]
    masks = [{share: random_mask(full_mask(atlas), s) for share in SHARES} for s in range(2)]
    rows = overlap_rows(dict(zip(searched, masks, strict=True)))
    assert len(rows) == len(SHARES) and (rows.jaccard == 1).all() and (rows.chance == 1).all()
