"""Heads that relations share: planted families are found, cuts are circuits without a head."""

import numpy as np
import pandas as pd
import pytest

from helpers import Graph, load_model, logit_diff, relation_pairs, run_circuit
from helpers.circuits.circuit import Circuit
from helpers.studies.asked_relations import REAL_MODEL
from helpers.studies.what_relations_share.circuits import PAIRS
from helpers.studies.what_relations_share.heads import (
    SEEDS,
    costs,
    family_head,
    head_costs,
    shared_heads,
    used_heads,
)

HEADS = [f"a{layer}.h{head}" for layer in range(4) for head in range(4)]


@pytest.fixture(scope="module")
def atlas2():
    return load_model("atlas2", device="cpu")


def test_costs_are_circuits_without_a_head(atlas):
    pairs = relation_pairs(atlas, "country_language", 8)
    found, graph = head_costs(atlas, pairs), Graph.from_model(atlas)
    full = logit_diff(pairs.clean_logits(atlas), pairs).mean()
    for head in ("a0.h0", "a3.h1", "a5.h7"):
        mask = graph.edges.clone()
        mask[:, graph.sources.index(head)] = False
        left = logit_diff(run_circuit(atlas, Circuit(graph, mask), pairs), pairs).mean()
        assert found[head] == pytest.approx(((full - left) / full).item(), abs=1e-3)


def test_the_committed_costs_are_what_the_code_gives(atlas2):
    table = costs("atlas2")
    again = head_costs(atlas2, relation_pairs(atlas2, "plural", PAIRS))
    assert table.loc["plural"].to_dict() == pytest.approx(again, abs=0.02)
    for model in (REAL_MODEL, *SEEDS):
        assert not costs(model).isna().any(axis=None) and costs(model).index.is_unique


def test_chance_keeps_the_layers():
    used = pd.DataFrame(False, list("abc"), HEADS)
    used.loc["a", ["a3.h0", "a3.h1", "a0.h0"]] = True
    used.loc["b", ["a3.h0", "a3.h2"]] = True
    used.loc["c", ["a1.h0"]] = True
    shared, chance = shared_heads(used, draws=2000)
    assert shared.loc["a", "b"] == pytest.approx(1 / 4) and shared.loc["a", "c"] == 0
    # two of four with two of four: none, one, two in common with probabilities 1/6, 4/6, 1/6
    assert chance.loc["a", "b"] == pytest.approx(4 / 6 / 4 + 1 / 6 * 2 / 3, abs=0.01)
    assert chance.loc["a", "c"] == 0, "no layer in common"
    used.loc["d"] = False
    with pytest.raises(ValueError, match="d has no heads"):
        shared_heads(used)
    assert list(used_heads(used.astype(float)).index) == list("abc")


def test_the_head_of_a_family():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((10, len(HEADS))) * 0.1, [f"r{n}" for n in range(10)], HEADS)
    none = family_head(table, ["r0", "r1", "r2"], shuffles=300)
    assert none["p"] > 0.05
    table.loc[["r0", "r1", "r2"], "a2.h3"] += 0.5
    found = family_head(table, ["r0", "r1", "r2"], shuffles=300)
    assert found["head"] == "a2.h3" and found["family"] > 0.4 > found["others"] and found["p"] < 0.05
    for family in ([], list(table.index)):
        with pytest.raises(ValueError, match="not all and not none"):
            family_head(table, family)
