"""Windows and edges that are cut agree with the library's cuts; the committed table is what the code gives."""

import pytest
import torch

from helpers import Circuit, Graph, load_model, logit_diff, relation, run_circuit
from helpers.studies.mlps import routes
from helpers.studies.mlps.cuts import cut_sublayers
from helpers.studies.tables import read_table


def test_a_window_is_its_sublayers_cut_together(small):
    model, pairs = small
    table = routes.window_effects(model, pairs, [range(1), range(2)], at=("subject_last", "last"))
    assert len(table) == 2 * 2 * len(pairs)
    clean = logit_diff(pairs.clean_logits(model), pairs)
    nothing = logit_diff(run_circuit(model, Circuit.empty(Graph.from_model(model)), pairs), pairs)
    for (layers, at), part in table.groupby(["layers", "at"]):
        parts = [(n, "MLP") for n in range(1 if layers == "0" else 2)]
        cut = logit_diff(cut_sublayers(model, pairs, parts, at=at), pairs)
        part = part.sort_values("pair")
        assert torch.allclose(torch.tensor(part.fall.to_numpy()).float(), clean - cut, atol=1e-3)
        assert torch.allclose(torch.tensor(part.whole.to_numpy()).float(), clean - nothing, atol=1e-3)


def test_attentions_can_be_cut_too(small):
    model, pairs = small
    table = routes.window_effects(model, pairs, [range(1, 2)], at=("last",), part="attention").sort_values("pair")
    cut = logit_diff(cut_sublayers(model, pairs, [(1, "attention")], at="last"), pairs)
    fall = logit_diff(pairs.clean_logits(model), pairs) - cut
    assert torch.allclose(torch.tensor(table.fall.to_numpy()).float(), fall, atol=1e-3)
    assert set(table.layers) == {"1"}


def test_cut_edges_are_circuits_without_them(small):
    model, pairs = small
    graph = Graph.from_model(model)
    cuts = routes.edge_cuts(graph)
    assert cuts["embedding"] == [f"embed->{row}" for row in graph.readers if row.startswith("a1.") and "<v>" in row]
    assert set(cuts["all MLPs"]) == {*cuts["first MLP"], *cuts["later MLPs"]} and not cuts["later MLPs"]
    table = routes.edge_effects(model, pairs)
    clean = logit_diff(pairs.clean_logits(model), pairs)
    for source, edges in cuts.items():
        circuit = Circuit.full(graph) - Circuit.from_edges(graph, edges)
        fall = clean - logit_diff(run_circuit(model, circuit, pairs), pairs)
        own = table[table.source == source].sort_values("pair")
        assert torch.allclose(torch.tensor(own.fall.to_numpy()).float(), fall, atol=1e-3)


def test_pairs_are_grouped_by_the_tokens_of_their_subjects(atlas):
    groups = dict(routes.pairs_by_tokens(atlas, relation("country_capital"), 0))
    assert {"1", "2"} <= set(groups) <= set(routes.TOKENS)
    for count, pairs in groups.items():
        assert routes.FEWEST <= len(pairs) <= routes.PAIRS
        assert {span.stop - span.start for span in pairs.subjects} == {int(count)}


def test_the_table_is_what_the_code_gives():
    table = read_table("smollm2_mlps")
    assert set(table.relation) == set(routes.ASKED)
    model, name = load_model("smollm2", device="cpu"), "country_capital"
    pairs = dict(routes.pairs_by_tokens(model, relation(name), routes.ASKED[name]))["2"]
    stored = table[(table.relation == name) & (table.tokens == 2)]
    window = routes.window_effects(model, pairs, routes.WINDOWS[:2], at=("subject_last",))
    for row in routes.shares(window, ("layers", "at")).itertuples():
        (value,) = stored[(stored.layers == row.layers) & (stored["at"] == row.at)].share
        assert value == pytest.approx(row.share, abs=0.02)
    for row in routes.shares(routes.edge_effects(model, pairs), ("source",)).itertuples():
        (value,) = stored[stored.source == row.source].share
        assert value == pytest.approx(row.share, abs=0.02)
