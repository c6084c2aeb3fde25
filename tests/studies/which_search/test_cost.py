"""Searches take turns, ratios are of one round, and memory that a call needs is seen."""

import os
import statistics
import time

import pandas as pd
import pytest
import torch

from helpers.circuits.graph import Graph
from helpers.studies.processes import MB, alone, peak_beyond
from helpers.studies.which_search import cost
from helpers.studies.which_search.cost import alternated, median, time_rows
from helpers.studies.which_search.tasks import PAIRS


def test_searches_take_turns():
    said = []
    searches = {name: lambda model, pairs, name=name: said.append(name) for name in "abc"}
    seconds = alternated(None, None, searches, 4)
    assert "".join(said) == "cab" + "abc" + "bca" + "cab" + "abc"  # the first round isn't measured
    assert {name: len(times) for name, times in seconds.items()} == {"a": 4, "b": 4, "c": 4}


def test_a_nap_takes_its_time():
    seconds = alternated(None, None, {"nap": lambda *_: time.sleep(0.02), "nothing": lambda *_: None}, 3)
    assert (seconds["nap"] >= 0.02).all() and seconds["nothing"].min() < 0.02


def test_medians():
    values = torch.tensor([[3.0, 1.0, 2.0, 10.0], [5.0, 5.0, 1.0, 0.0]], dtype=torch.float64)
    assert median(values).tolist() == [statistics.median(row) for row in values.tolist()] == [2.5, 3.0]


def test_ratios_are_of_one_round():
    """The machine halves its speed for two of five rounds: times scatter, ratios don't."""
    slow = torch.tensor([1.0, 1, 2, 2, 1], dtype=torch.float64)
    table = pd.DataFrame(time_rows({"EAP": slow, "EAP-IG": 3 * slow, "CEAP": 3.6 * slow})).set_index("search")
    assert table.seconds["CEAP"] == pytest.approx(3.6) and table.slowest["CEAP"] == pytest.approx(7.2)
    assert table.loc["CEAP", ["times_eap", "times_eap_low", "times_eap_high"]].tolist() == pytest.approx([3.6] * 3)
    assert table.times_eap_ig["CEAP"] == pytest.approx(1.2) and table.times_eap_ig["EAP-IG"] == 1
    assert table.seconds_low["EAP"] < table.seconds_high["EAP"] and (table.rounds == 5).all()


def test_memory_that_a_call_needs_is_seen():
    assert 95 < peak_beyond(lambda: torch.ones(100 * MB // 4)) < 130
    assert peak_beyond(lambda: None) < 5


def test_a_process_alone():
    assert alone(os.getppid) == os.getpid() and alone(max, 2, 3) == 3


def test_a_search_needs_memory():
    assert 1 < cost.peak("atlas", "", "EAP-IG") < 500


def test_a_table_of_one_model(monkeypatch):
    names = ("EAP", "EAP-IG")
    monkeypatch.setattr(cost, "ROUNDS", {"atlas": 2})
    monkeypatch.setattr(cost, "SEARCHES", {name: cost.SEARCHES[name] for name in names})
    monkeypatch.setattr(cost, "BASELINES", {})
    monkeypatch.setattr(cost, "SLOW", {"slow": lambda *_: time.sleep(0.01)})
    monkeypatch.setattr(cost, "SLOW_ROUNDS", 1)
    table = cost.timed("atlas", "").set_index("search")
    assert list(table.index) == [*names, "slow"] and (table.pairs == PAIRS["train"]).all()
    assert (table.edges == 3628).all() and table.times_eap["EAP"] == 1 and table.rounds.tolist() == [2, 2, 1]
    assert ((table.fastest <= table.seconds) & (table.seconds <= table.slowest)).all()


def test_the_random_model_has_gpt2_smalls_shape():
    from transformers import GPT2Config

    shape = GPT2Config()
    assert (shape.n_layer, shape.n_head, shape.n_embd, shape.vocab_size) == (12, 12, 768, 50_257)
    assert Graph(shape.n_layer, shape.n_head, shape.n_head).n_edges == 32_491
