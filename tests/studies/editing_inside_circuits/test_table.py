"""The committed tables of masks and edits are what the code gives, and add up."""

from dataclasses import replace

import pytest

from helpers.studies.editing_inside_circuits.edit_table import (
    DRAWS,
    EDITS,
    OPTIONS,
    RELATIONS,
    SLOW_PLACES,
    circuit_components,
    component_places,
    mean_losses,
    requests_of,
    texts_of,
)
from helpers.studies.editing_inside_circuits.edits import confined_rows
from helpers.studies.editing_inside_circuits.masks import full_mask, random_mask, top_mask
from helpers.studies.editing_inside_circuits.search import SHARES, first_order, hits
from helpers.studies.editing_inside_circuits.table import (
    MAIN,
    REAL_TASKS,
    SETTINGS,
    TASKS,
    Search,
    judges,
    overlap_rows,
    searches,
    task_of,
)
from helpers.studies.editing_inside_circuits.tasks import REAL
from helpers.studies.tables import read_table


def test_every_search_is_in_the_table():
    table = read_table("masks")
    for search in searches():
        rows = table[(table[list(search.columns)] == list(search.columns.values())).all(axis=1)]
        assert set(rows.share) == set(SETTINGS.get(search.model, {}).get("shares", SHARES))
        assert set(rows.method) == ({"learned", "first-order", "random"} if search.plain else set(rows.method))
    assert table.kept.between(table.low, table.high).all() and (table.prompts > 10).all()


def test_a_first_order_mask_keeps_what_the_table_says(atlas2):
    search = Search(MAIN, "antonym")
    scores, asked = first_order(atlas2, task_of(atlas2, search)), judges(atlas2, search)
    table = read_table("masks").query("model == @MAIN and task == 'antonym' and seed == 0 and share == 0.2")
    committed = table[(table.method == "first-order") & (table.rate == 0.01)].set_index("asked").kept
    for kind in ("training", "other facts"):
        kept = hits(atlas2, top_mask(scores, 0.2), asked[kind]).mean().item()
        assert kept == pytest.approx(committed[kind], abs=0.05)


def test_masks_have_their_size(atlas2):
    table, total = read_table("mask_parts").query("model == @MAIN"), full_mask(atlas2).total
    sizes = table.groupby(["task", "seed", "rate", "true_answers", "share"]).kept.sum()
    assert (sizes.to_numpy() == [round(key[-1] * total) for key in sizes.index]).all()


def test_an_edit_goes_as_the_table_says(atlas2):
    places = component_places(atlas2, circuit_components(atlas2, MAIN, "antonym"))
    place = "circuit's components"
    request, texts = requests_of(atlas2, MAIN, "antonym")[:1], texts_of(atlas2, MAIN)
    ((rows, _),) = confined_rows(atlas2, request, {place: places[place]}, texts, **OPTIONS[MAIN])
    table = read_table("mask_edits").query("model == @MAIN and relation == 'antonym' and edit == 0")
    committed = table[(table.place == place) & (table["at"] == "equal loss")].iloc[0]
    assert rows.steps.iloc[0] == pytest.approx(committed.steps, abs=0.05)
    assert rows.length.iloc[0] == pytest.approx(committed.length, rel=0.02)
    assert rows.drift.iloc[0] == pytest.approx(committed.drift, abs=0.002)


def test_edits_are_complete():
    table = read_table("mask_edits")
    for model, names in RELATIONS.items():
        rows = table[table.model == model]
        counts = rows.groupby(["relation", "place", "at"]).edit.nunique()
        slow = [name in SLOW_PLACES and model == REAL for _, name, _ in counts.index]
        expected = [EDITS[model] / (DRAWS if few else 1) for few in slow]
        assert set(rows.relation) == set(names) and counts.tolist() == expected
    losses = read_table("mask_edit_losses")
    assert set(losses.model) == set(RELATIONS) and losses.loss.between(0, 30).all()


def test_a_finished_edit_stays_where_it_is():
    table = mean_losses({"here": [(4.0, 2.0), (3.0, 1.0, 0.0)]}, 3)
    assert table.loss.tolist() == [3.5, 1.5, 1.0] and (table.edits == 2).all()


def test_overlaps(atlas2):
    table = read_table("mask_overlap")
    assert set(table.task) | set(table.other) == set(TASKS) | set(REAL_TASKS)
    assert set(table.model) == {MAIN, REAL} and (table.jaccard > table.chance).all()
    searched = searches()[:2]
    masks = [{share: random_mask(full_mask(atlas2), s) for share in SHARES} for s in range(2)]
    rows = overlap_rows(dict(zip(searched, masks, strict=True)))
    assert len(rows) == len(SHARES) and (rows.jaccard == 1).all() and (rows.chance == 1).all()
    assert searched[1] == replace(searched[0], task="antonym")
