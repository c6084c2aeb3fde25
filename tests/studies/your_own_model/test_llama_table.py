"""The table of both shapes is what the code gives, on a sample."""

import pandas as pd
import pytest

from helpers.atlas.wordings import asked_relations
from helpers.studies.tables import read_table
from helpers.studies.your_own_model.llama_table import discovery_rows, over_relations


def test_one_relation_again(atlas):
    table = read_table("llama").query("model == 'atlas' and relation == 'country_language' and bar == 'discovery'")
    again = pd.DataFrame(discovery_rows(atlas, "country_language")).set_index("setting")
    assert len(table) == len(again) == 9
    assert (table.set_index("setting").value - again.value).abs().max() < 0.01


def test_both_models_and_all_bars_are_there():
    table = read_table("llama")
    assert table.model.nunique() == 2 and table.model.str.startswith("atlas").all()
    for _, part in table.groupby("model"):
        assert set(part.bar) == {"discovery", "heads", "edits"}
        found = set(part[part.bar == "discovery"].relation)
        assert found == {"all", *asked_relations()}, "a relation was left out"
        assert ((part.low <= part.value + 1e-4) & (part.value <= part.high + 1e-4)).all()


def test_the_mean_over_relations():
    rows = pd.DataFrame(
        [
            dict(bar="heads", relation=name, setting="other facts", measure="kappa", value=v, low=v, high=v)
            for name, v in (("a", 0.2), ("b", 0.6))
        ]
    )
    (mean,) = over_relations(rows).to_dict("records")
    assert mean["relation"] == "all" and mean["value"] == pytest.approx(0.4) and mean["low"] <= 0.4 <= mean["high"]
