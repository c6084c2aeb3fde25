"""Edges by role: laws, sums over roles, gradients of a mask, and what a role is, by hand."""

from types import SimpleNamespace

import pytest
import torch
from small_models import random_model

from helpers import Circuit, Graph, PromptPairs, eap, eap_ig, faithfulness, logit_diff, relation_pairs, run_circuit
from helpers.circuits.ablation import scenes
from helpers.circuits.evaluation import baselines
from helpers.studies.which_search import roles
from helpers.studies.which_search.by_role import count_in, eap_by_role, faithfulness_by_role, roles_in
from helpers.studies.which_search.roles import ROLES, RoleCircuit, RoleGraph, RoleScores, role_ids, run_by_role

NUMBER = {name: n for n, name in enumerate(ROLES)}


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def asked(request, tmp_path_factory, atlas):
    """A small random model that is asked Atlas's prompts; subjects have one to three tokens."""
    model = random_model(request.param, tmp_path_factory.mktemp("roles"))
    pairs = relation_pairs(model, "landmark_country", 6, known=False, paraphrase=2)
    assert len(pairs.groups()) > 1 and len({len(range(*s.indices(99))) for s in pairs.subjects}) > 1
    return model, pairs


def test_roles_by_hand(atlas):
    pairs = relation_pairs(atlas, "landmark_country", 1, paraphrase=2)
    words = [atlas.tokenizer.decode(i) for i in pairs.clean_ids[0]]
    (subject,) = pairs.subjects
    names = [ROLES[n] for n in role_ids(pairs)[0]]
    assert names[-1] == "last" and names[0] == "before"
    assert names[subject.stop - 1] == "subject last", words
    inside = names[subject]
    assert len(inside) == 1 or inside[0] == "subject first"
    assert all(name == "subject middle" for name in inside[1:-1])
    assert set(names[subject.stop : -1]) <= {"relation"}


def test_a_subject_of_one_token_is_its_last(atlas):
    pairs = relation_pairs(atlas, "country_capital", 1)
    names = [ROLES[n] for n in role_ids(pairs)[0]]
    assert "subject last" in names and "subject first" not in names


def test_the_number_of_edges_by_role():
    graph = Graph(2, 4, 2)
    crossing = sum(int(graph.edges[r].sum()) for r, name in enumerate(graph.readers) if roles.crosses(name))
    count = len(ROLES)
    expected = (graph.n_edges - crossing) * count + crossing * count * (count + 1) // 2
    assert RoleGraph(graph).n_edges == expected


@pytest.mark.parametrize("ablation", ["corrupt", "zero", "mean"])
def test_all_edges_are_the_model_and_none_the_ablated_run(asked, ablation):
    model, pairs = asked
    graph = Graph.from_model(model)
    for circuit in (Circuit.full(graph), Circuit.empty(graph)):
        by_role = run_by_role(model, RoleCircuit.of(circuit), pairs, ablation)
        torch.testing.assert_close(by_role, run_circuit(model, circuit, pairs, ablation), atol=1e-4, rtol=1e-4)


def test_a_circuit_in_all_roles_is_the_circuit(asked):
    model, pairs = asked
    circuit = eap(model, pairs).top(40)
    by_role = run_by_role(model, RoleCircuit.of(circuit), pairs)
    torch.testing.assert_close(by_role, run_circuit(model, circuit, pairs), atol=1e-4, rtol=1e-4)
    assert RoleCircuit.of(circuit).n_edges > circuit.n_edges


def test_summed_over_roles_scores_are_the_search(asked):
    model, pairs = asked
    for steps, plain in ((1, eap(model, pairs)), (4, eap_ig(model, pairs, steps=4))):
        summed = eap_by_role(model, pairs, steps=steps).values.sum((0, 1))
        torch.testing.assert_close(summed, plain.values, atol=1e-5, rtol=1e-3)


def test_scores_are_the_gradient_of_a_mask_by_role(asked):
    """Of the masked run by autograd, where `run_by_role` reads the mask."""
    model, pairs = asked
    graph = Graph.from_model(model)
    edges = RoleGraph(graph).edges
    total = torch.zeros(edges.shape)
    for _, scene in scenes(model, pairs, "corrupt"):
        mask = edges.float().requires_grad_()

        masked = SimpleNamespace(graph=graph, mask=mask)
        logit_diff(roles._logits(scene, masked), scene.pairs).sum().backward()
        total += mask.grad / len(pairs)
    expected = total.masked_fill(~edges, 0)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(eap_by_role(model, pairs).values, expected, atol=1e-5, rtol=1e-3)


def test_the_best_edges_by_role():
    graph = Graph(1, 1, 1)
    values = torch.zeros(RoleGraph(graph).edges.shape)
    places = RoleGraph(graph).edges.nonzero()[[3, 9, 20]]
    for n, place in enumerate(places):
        values[tuple(place)] = 3.0 - n
    chosen = RoleScores(graph, values).top(3)
    assert chosen.n_edges == 3 and torch.equal(chosen.mask.nonzero(), places)
    assert [len(edge) for edge in chosen.edges] == [3, 3, 3]
    with pytest.raises(ValueError, match="so the best 999999 can't be taken"):
        RoleScores(graph, values).top(999999)


def test_bad_ones_are_explained(asked):
    model, pairs = asked
    graph = Graph.from_model(model)
    with pytest.raises(ValueError, match="isn't one of the graph's edges by role"):
        RoleCircuit(graph, torch.ones(RoleGraph(graph).edges.shape, dtype=torch.bool))
    for values in (torch.zeros(3), torch.full(RoleGraph(graph).edges.shape, torch.nan)):
        with pytest.raises(ValueError, match="scores by role are finite numbers"):
            RoleScores(graph, values)
    other = Graph(1, 1, 1)
    with pytest.raises(ValueError, match="the circuit is of"):
        run_by_role(model, RoleCircuit.of(Circuit.full(other)), pairs)
    unknown = PromptPairs.from_tokens(
        model, pairs.clean_ids, pairs.corrupt_ids, pairs.answer_ids.tolist(), pairs.wrong_ids.tolist()
    )
    with pytest.raises(ValueError, match="roles need to know where the subjects are"):
        eap_by_role(model, unknown)


def grown_by_hand(scores: RoleScores, n: int) -> set[tuple[str, str, str]]:
    """All edges into readers in use are looked at in every round."""
    graph, edges = scores.graph, RoleGraph(scores.graph).edges
    used, chosen = {(NUMBER["last"], "logits")}, []
    for _ in range(n):
        candidates = [
            place
            for place in edges.nonzero().tolist()
            if (place[0], graph.readers[place[2]]) in used and place not in chosen
        ]
        best = max(candidates, key=lambda place: float(scores.values[tuple(place)]))
        chosen.append(best)
        used |= {(best[1], graph.readers[r]) for r in graph.feeds[:, best[3]].nonzero().flatten().tolist()}
    return {(graph.name(r, s), ROLES[own], ROLES[query]) for query, own, r, s in chosen}


def test_a_greedy_circuit_by_role_is_grown_from_the_last_token():
    graph = Graph(2, 2, 1)
    values = torch.randn(RoleGraph(graph).edges.shape, generator=torch.Generator().manual_seed(0))
    scores = RoleScores(graph, values)
    circuit = scores.greedy(25)
    assert set(circuit.edges) == grown_by_hand(scores, 25) and circuit.n_edges == 25
    assert circuit.edges != scores.top(25).edges
    assert {query for name, _, query in circuit.edges if name.endswith("->logits")} == {"last"}
    with pytest.raises(ValueError, match="lead to the logits"):
        scores.greedy(RoleGraph(graph).n_edges)  # the logits at other tokens aren't read


def test_faithfulness_of_a_circuit_in_all_roles_is_the_circuits(asked):
    model, pairs = asked
    circuit = eap(model, pairs).top(40)
    by_role = faithfulness_by_role(model, RoleCircuit.of(circuit), pairs, baselines(model, pairs))
    assert by_role.row() == pytest.approx(faithfulness(model, circuit, pairs).row(), abs=1e-3)


def test_edges_are_counted_in_roles_that_prompts_have(atlas):
    pairs = relation_pairs(atlas, "country_capital", 3)
    assert [ROLES[n] for n in roles_in(pairs)] == ["before", "subject last", "last"]
    circuit = RoleCircuit.of(Circuit.from_edges(Graph.from_model(atlas), ["m0->m1", "m0->a1.h0<k>"]))
    assert count_in(circuit, pairs) == 3 + 6 and circuit.n_edges == 6 + 21
