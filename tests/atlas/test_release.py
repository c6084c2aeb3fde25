"""The model card states what was measured, and packing a run makes what the loader expects."""

import json
from dataclasses import asdict

import pandas as pd
import pytest
from tokenizers import Tokenizer

from helpers.atlas import card, release
from helpers.atlas.corpus import Document
from helpers.atlas.training import RUNS, TrainingPlan, planned_model, save_weights
from helpers.models import load as models


def test_the_model_card_is_what_the_tables_say():
    table, losses = (pd.read_csv(models.WEIGHTS / name) for name in (release.ABILITIES_FILE, release.LOSS_FILE))
    text = (models.WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert text == card.model_card(table, losses), "run `make tables NAME=abilities`"
    assert all(f"| `{name}` |" in text for name in card.shipped())


@pytest.mark.parametrize("name", card.shipped())
def test_the_shipped_weights_were_trained_as_their_plan_says(name):
    plan = json.loads((models.WEIGHTS / name / "plan.json").read_text(encoding="utf-8"))
    planned = json.loads(json.dumps(asdict(RUNS[name])))
    assert asdict(TrainingPlan()) | {key: plan[key] for key in plan if key in planned} == planned
    assert plan["steps"] in models.checkpoints(name)
    assert sorted(models.checkpoints(name)) == [*plan["checkpoints"], plan["steps"]]


def test_a_run_becomes_an_embedded_model(tmp_path, monkeypatch):
    run, weights = tmp_path / "run", tmp_path / "weights"
    tokenizer = Tokenizer.from_file(str(models.WEIGHTS / "atlas" / "tokenizer.json"))
    model = planned_model(TrainingPlan(d_model=16, n_layers=1, n_heads=2))
    save_weights(run / "final", model, tokenizer)
    save_weights(run / "step4", model, tokenizer)
    (run / "plan.json").write_text(json.dumps({"seed": 0, "steps": 8, "rows": 2, "hardware": "here"}))
    (run / "loss.csv").write_text("0,9.0,1800\n1,8.0,1800\n1,8.0,1800\n")
    monkeypatch.setattr(release, "documents", lambda name, seed, vocabulary: [Document("fact", "x", 1.0)])
    release.release(run, "tiny", weights)
    monkeypatch.setattr(models, "WEIGHTS", weights)
    assert models.embedded_models() == ("tiny", "tiny@4")
    assert models.checkpoints("tiny") == {4: "tiny@4", 8: "tiny"}
    assert json.loads((weights / "tiny" / "plan.json").read_text())["hours"] == 1.0
    assert models.load_model("tiny@4", device="cpu").cfg.n_layers == 1
    release.release(run, "tiny", weights)
    assert models.embedded_models() == ("tiny", "tiny@4")


def test_tables_as_markdown():
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.5, float("nan")], "count": [1, 2]})
    assert card.markdown(table).splitlines() == [
        "| name | value | count |",
        "| --- | --- | --- |",
        "| a | 0.500 | 1 |",
        "| b |  | 2 |",
    ]
