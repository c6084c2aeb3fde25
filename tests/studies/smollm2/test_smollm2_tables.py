"""The tables of SmolLM2: what they measure, and rows of them computed again."""

import pytest
import torch

from helpers.models.load import TEXT_END
from helpers.models.predict import prompt_ids
from helpers.prompts.relations import REAL, relation, relations
from helpers.studies.smollm2 import bench, circuits, knows
from helpers.studies.tables import read_table


def test_a_beginning_is_measured_by_hand(smollm2):
    asked = relation("work_location")
    rows = {row["beginning"]: row for row in knows.beginning_rows(smollm2, asked)}
    ids, firsts = knows.asked_ids(smollm2, asked, 0)
    assert all(row[0] == 0 and row.count(0) == 1 for row in ids) and len(ids) == rows["nothing"]["facts"]
    runs = [smollm2.original_model(torch.tensor([prompt[1:]])).logits[0, -1] for prompt in ids]
    likely = [run.softmax(-1)[first].item() for run, first in zip(runs, firsts, strict=True)]
    on_top = [int(run.argmax()) == first for run, first in zip(runs, firsts, strict=True)]
    row = rows["nothing"]
    assert row["probability"] == pytest.approx(sum(likely) / len(ids), abs=1e-4)
    assert row["on_top"] == pytest.approx(sum(on_top) / len(ids))
    assert row["probability_low"] <= row["probability"] <= row["probability_high"]


@pytest.mark.parametrize("name", ["element_number", "object_superclass"])
def test_rows_of_beginnings_are_what_the_code_gives(smollm2, name):
    table = read_table("smollm2_beginnings").query("relation == @name").set_index("beginning")
    for row in knows.beginning_rows(smollm2, relation(name)):
        kept = table.loc[row["beginning"]]
        assert kept.facts == row["facts"] and kept.on_top == pytest.approx(row["on_top"], abs=1e-4)
        assert kept.probability == pytest.approx(row["probability"], abs=1e-3)


def test_the_end_of_text_recalls_best():
    table = read_table("smollm2_beginnings")
    assert set(table.relation) == set(relations(*REAL)) and (table.groupby("relation").size() == 3).all()
    assert table.groupby("beginning").probability.mean().idxmax() == TEXT_END


@pytest.mark.parametrize("name", ["country_language", "antonym"])
def test_rows_of_what_it_knows_are_what_the_code_gives(smollm2, name):
    table = read_table("smollm2_knows").query("relation == @name and model == 'smollm2'").reset_index()
    again = knows.template_row(smollm2, relation(name), 0)
    for column in ("asked", "hit1", "hit10"):
        assert table.loc[0, column] == pytest.approx(again[column], abs=1e-3)
    assert table.known.notna().sum() == 1 and (table.hit1 <= table.hit10).all()


def test_what_atlas_knows(atlas):
    table = knows.knows_rows(atlas, "atlas", relation("country_language"))
    assert (table.model == "atlas").all() and table.known.notna().sum() == 1
    assert table.hit1.max() > 0.9 and table.known.dropna().iloc[0] > 0.9 * table.facts.iloc[0]


def test_circuits_and_their_opponents(atlas, monkeypatch):
    monkeypatch.setattr(circuits, "SIZES", (20, 100))
    monkeypatch.setattr(circuits, "COMPARED", 100)
    other = circuits.found(atlas, "country_language", 0)
    rows = list(circuits.relation_rows(atlas, "country_capital", 0, other))
    kept = {row["circuit"]: row["faithfulness"] for row in rows if row["edges"] == 100 and "faithfulness" in row}
    assert set(kept) == {"found", "another draw", "random", "permuted heads", "another relation"}
    assert kept["found"] > 0.8 > 0.3 > kept["random"] and kept["found"] > kept["permuted heads"]
    shared = [row["jaccard"] for row in rows if "jaccard" in row]
    assert len(shared) == 3 and all(0.1 < share < 1 for share in shared)


def test_the_bench_measures_a_call():
    row = bench.measured(0)  # relation_pairs, the quickest
    assert 0 < row["floor_seconds"] < row["seconds"] and row["times_floor"] > 1
    assert row["peak_gb"] < 4 and row["gigaflops"] > 1


def test_the_arithmetic_of_a_run():
    at = bench.Setting()
    layers = sum(p.numel() for n, p in at.model.original_model.named_parameters() if ".layers." in n and "proj" in n)
    assert at.per_token == 2 * layers
    ids = [prompt_ids(at.model.tokenizer, text) for text in at.train.clean]
    assert at.differing(at.train) < sum(map(len, ids))
