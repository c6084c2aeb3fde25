"""The benchmark measures what it says, and its committed table holds the bars of speed."""

import pytest

from helpers import acdc, logit_diff
from helpers.atlas.skills import random_pairs
from helpers.studies.edge_pruning.bench import BASE, Case, cases, measure, prepare
from helpers.studies.edge_pruning.plain_acdc import plain_acdc
from helpers.studies.tables import read_table


def test_the_committed_ratios():
    seconds = read_table("bench").query("group == 'Atlas'").set_index("search").seconds
    assert seconds["EAP, TransformerLens"] / seconds["EAP"] > 30
    assert seconds["EAP-IG, 5 steps"] / seconds["EAP"] < 4
    assert seconds["ACDC, plain sweep"] / seconds["ACDC"] > 20


def test_large_shapes_fit():
    table = read_table("bench").set_index(["group", "search"])
    small = table.loc[("GPT-2 small shape", "EAP-IG, 5 steps")]
    assert small.edges == 32_491 and small.pairs == 20 and small.peak_mb < 3000
    assert table.loc[("GPT-2 medium shape", "EAP")].edges == 231_877


def test_fast_and_plain_sweeps_gave_the_same_circuit():
    table = read_table("bench").set_index("search")
    fast, plain = table.loc["ACDC"], table.loc["ACDC, plain sweep"]
    assert fast["size"] == plain["size"] and fast.faithfulness == pytest.approx(plain.faithfulness, abs=1e-3)


def test_a_case_is_measured():
    row = measure([(case.group, case.name) for case in cases()].index(("Atlas", "EAP")))
    assert row["edges"] == 3628 and row["pairs"] == 20 and row["tokens"] == 6
    assert 0 < row["seconds"] < 10 and row["peak_mb"] > 100
    assert row["size"] == 100 and 0.9 < row["faithfulness"] < 1.1


def test_random_pairs_have_the_wanted_shape():
    model, pairs = prepare(Case("pairs", "EAP", BASE | dict(n_layer=2), 12, 3, None))
    assert pairs.clean_tokens.shape == (3, 12) and pairs.first_difference == 6
    assert random_pairs(model, 12, 3).clean_ids == pairs.clean_ids


def test_the_reference_is_the_fast_sweep_on_a_planted_circuit(planted):
    plain = plain_acdc(planted.model, planted.pairs, tau=0.1)
    assert plain == acdc(planted.model, planted.pairs, logit_diff, tau=0.1)
