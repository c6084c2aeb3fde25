"""Correlations with single cuts are scipy's, reader by reader, and say nothing where there is no order."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from helpers import Graph, eap, exact_scores
from helpers.circuits.scores import Scores
from helpers.searches.exact import exact_sample
from helpers.studies.which_search import exact_judge
from helpers.studies.which_search.exact_judge import agreement, exact_rows, judged, pearson, spearman

TIED = torch.tensor([0.0, 0.0, 1.0, 3.0, 3.0, 3.0, -2.0, 7.0], dtype=torch.float64)
OTHER = torch.tensor([0.1, -0.3, 2.0, 1.0, 4.0, 4.0, -9.0, 0.5], dtype=torch.float64)


def test_correlations_are_scipys():
    assert pearson(TIED, OTHER).item() == pytest.approx(pearsonr(TIED, OTHER).statistic)
    assert spearman(TIED, OTHER).item() == pytest.approx(spearmanr(TIED, OTHER).statistic)
    assert abs(pearson(TIED, OTHER) - spearman(TIED, OTHER)) > 0.05  # so neither can stand for the other


def test_rows_are_correlated_one_by_one():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 5, 30, generator=generator, dtype=torch.float64)
    for measure, theirs in ((pearson, pearsonr), (spearman, spearmanr)):
        expected = [theirs(a, b).statistic for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(measure(first, second), expected)


def test_a_row_of_one_value_has_no_order():
    assert all(np.isnan(estimate) for estimate in agreement(torch.zeros(8), OTHER).values())
    assert all(np.isnan(estimate) for estimate in agreement(TIED, torch.ones(8)).values())
    assert pearson(torch.zeros(8), OTHER) == 0  # among resamples it counts as no agreement


def test_intervals_are_those_of_drawing_edges_again():
    found = agreement(TIED, OTHER)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(8, size=8) for _ in range(1000)]
    values = [pearsonr(TIED[i], OTHER[i]).statistic for i in drawn if len(set(TIED[i].tolist())) > 1]
    low, high = np.quantile(values, [0.025, 0.975])
    assert found["pearson"].low == pytest.approx(low, abs=0.1) and found["pearson"].high == pytest.approx(high, abs=0.1)


@pytest.mark.parametrize("graph", [Graph(2, 4, 4), Graph(2, 4, 2)], ids=["heads", "groups"])
def test_each_kind_of_reader_is_judged_alone(graph):
    generator = torch.Generator().manual_seed(1)
    scores = Scores(graph, torch.randn(graph.edges.shape, generator=generator))
    rows = []
    for reader, source in graph.edges.nonzero().tolist():
        name = graph.readers[reader]
        kind = next((letter for letter in "qkv" if f"<{letter}>" in name), "logits" if name == "logits" else "MLP")
        score, noise = scores.values[reader, source].item(), torch.randn((), generator=generator).item()
        told = {"q": score, "k": -score}.get(kind, noise)  # queries are told rightly, keys the wrong way round
        rows.append((graph.name(reader, source), kind, told))
    exact = pd.DataFrame(rows, columns=["edge", "kind", "score"]).sample(frac=1, random_state=0)  # in any order
    table = pd.DataFrame(judged(scores, exact)).set_index("reader")
    assert table.edges.drop("all").sum() == table.edges["all"] == graph.n_edges
    assert table.pearson["q"] == pytest.approx(1) and table.spearman["k"] == pytest.approx(-1)
    own = [scores.values[graph.place(edge)].item() for edge in exact.edge]
    for reader in ("v", "MLP", "logits", "all"):
        chosen = (exact.kind == reader).to_numpy() | (reader == "all")
        theirs = [f(np.array(own)[chosen], exact.score[chosen]).statistic for f in (pearsonr, spearmanr)]
        assert table.loc[reader, ["pearson", "spearman"]].tolist() == pytest.approx(theirs)
        assert table.pearson_low[reader] <= table.pearson[reader] <= table.pearson_high[reader]


def test_exact_scores_agree_with_themselves(small):
    model, pairs = small
    against = {"exact": exact_scores, "turned": lambda m, p: Scores(Graph.from_model(m), -exact_scores(m, p).values)}
    table = pd.DataFrame(exact_rows(model, pairs, against, 60)).set_index(["search", "reader"])
    assert table.edges["exact", "all"] == len(exact_sample(model, pairs, 60)) == 60
    assert (table.pairs == len(pairs)).all() and set(table.loc["exact"].index) == set(exact_judge.READERS)
    assert table.pearson["exact"].tolist() == pytest.approx([1] * 6, abs=1e-4)
    assert table.pearson["turned"].tolist() == pytest.approx([-1] * 6, abs=1e-4)


def test_a_planted_circuit_is_told(planted):
    table = pd.DataFrame(exact_rows(planted.model, planted.pairs, {"EAP": eap}, 10**6)).set_index("reader")
    assert table.edges["all"] == Graph.from_model(planted.model).n_edges and table.pearson["all"] > 0.5


def test_atlas_has_no_more_edges_than_are_cut(atlas):
    assert exact_judge.EDGES["atlas"] >= Graph.from_model(atlas).n_edges
