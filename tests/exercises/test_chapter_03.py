"""The checks of the chapter on edge pruning take right answers and reject plausible wrong ones with a reason."""

from types import SimpleNamespace

import pytest
import torch

from helpers import Circuit, Graph, acdc, eap, eap_ig, logit_diff, relation_pairs, run_circuit
from helpers.atlas.planted import planted_induction
from helpers.exercises import chapter_03
from helpers.exercises.chapter_03 import mask_mean
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def capitals(atlas):
    train, test = (relation_pairs(atlas, "country_capital", 12, split=split) for split in ("train", "test"))
    scores = eap_ig(atlas, train)
    return SimpleNamespace(train=train, test=test, scores=scores, circuit=scores.greedy(60))


@pytest.fixture(scope="module")
def toy():
    return planted_induction()


def test_right_score(atlas, capitals):
    def judge(function):
        return chapter_03.right_score(function, atlas, capitals.circuit, capitals.train, capitals.test)

    def share(model, circuit, pairs, k, ablation, labels=None):
        logits = run_circuit(model, circuit, pairs, ablation)
        labels = pairs.answer_ids if labels is None else labels
        return (logits.topk(k).indices == labels[:, None]).any(-1).float().mean().item()

    def found_on(*arguments):
        return share(*arguments, labels=capitals.train.answer_ids)

    def whole_model(model, circuit, pairs, k, ablation):
        return share(model, Circuit.full(circuit.graph), pairs, k, ablation)

    assert judge(share)
    assert "the very mistake" in message(judge(found_on))
    assert "whole model's hits" in message(judge(whole_model))
    assert "divide" in message(judge(lambda *a: len(capitals.test) * share(*a)))
    assert "for Hit@" in message(judge(lambda m, c, p, k, a: 0.4321))
    assert "attempted" in message(judge(lambda *a: None))


def test_dangling(capitals):
    def judge(function):
        return chapter_03.dangling(function, capitals.scores)

    def unreached_only(circuit):
        reached, loose = {"embed"}, set()
        for edge in circuit.edges:
            source, reader = edge.split("->")
            if source in reached:
                reached.add(reader.split("<")[0])
            else:
                loose.add(edge)
        return loose

    def without_outputs(circuit):  # forgets that a head's readers feed its output
        reached = {"embed"}
        for edge in circuit.edges:
            source, reader = edge.split("->")
            if source in reached:
                reached.add(reader)
        return {edge for edge in circuit.edges if edge.split("->")[0] not in reached}

    assert judge(lambda c: set((c - c.pruned()).edges))
    assert "both ends" in message(judge(unreached_only))
    assert "from its readers to its output" in message(judge(without_outputs))
    assert "*on* a path" in message(judge(lambda c: set(c.pruned().edges)))
    assert "return a set" in message(judge(lambda c: c.n_edges))


def test_over_the_mask(toy):
    def judge(function):
        return chapter_03.over_the_mask(function, toy.model, toy.pairs)

    def middles(model, pairs, steps):
        return mask_mean(model, pairs, [(k + 0.5) / steps for k in range(steps)])

    assert judge(middles)
    assert "average over the pairs" in message(judge(lambda m, p, s: len(p) * middles(m, p, s)))
    assert "average over the steps" in message(judge(lambda m, p, s: s * middles(m, p, s)))
    assert "left ends" in message(judge(lambda m, p, s: mask_mean(m, p, [k / s for k in range(s)])))
    assert "right ends" in message(judge(lambda m, p, s: eap(m, p).values if s == 1 else middles(m, p, s)))
    assert "return a tensor" in message(judge(lambda m, p, s: middles(m, p, s)[0]))


def test_ordered(toy):
    def in_order(model, pairs, edges, tau, against_start=False):
        graph = Graph.from_model(model)
        kept = Circuit.full(graph)
        start = loss = -logit_diff(run_circuit(model, kept, pairs), pairs).mean()
        for edge in edges:
            without = kept - Circuit.from_edges(graph, [edge])
            new = -logit_diff(run_circuit(model, without, pairs), pairs).mean()
            if abs(new - (start if against_start else loss)) < tau:
                kept, loss = without, new
        return kept

    def judge(function):
        return chapter_03.ordered(function, toy.model, toy.pairs)

    assert judge(in_order)
    assert "must stay" in message(judge(lambda m, p, e, t: acdc(m, p, logit_diff, tau=min(t, 0.1))))
    assert "nothing was dropped" in message(judge(lambda m, p, e, t: Circuit.full(Graph.from_model(m))))
    assert "huge tau" in message(judge(lambda m, p, e, t: in_order(m, p, e, min(t, 0.1))))
    assert "return a Circuit" in message(judge(lambda m, p, e, t: torch.ones(3)))
