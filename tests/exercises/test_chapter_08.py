"""The checks of the chapter on greater-than take right answers and reject plausible wrong ones with a reason."""

from types import SimpleNamespace

import pytest
import torch

from helpers import load_model, run_circuit
from helpers.atlas import skills
from helpers.atlas.skills import greater_than_pairs, year_ids
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.exercises import chapter_08
from helpers.exercises.kit import Verdict
from helpers.studies.greater_than import years
from helpers.studies.greater_than.years import year_diff

STARTS = range(3, 98)


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def atlas():
    return load_model("atlas2")


@pytest.fixture(scope="module")
def asked(atlas):
    pairs = greater_than_pairs(atlas, len(STARTS), template=skills.GREATER_THAN[0], starts=STARTS)
    p = pairs.clean_logits(atlas).softmax(-1)[:, year_ids(atlas, pairs.clean[0])]
    few = pairs.select(range(0, 90, 9))
    return SimpleNamespace(p=p, few=few, metric=year_diff(atlas, pairs))


def test_sharp(asked):
    def judge(function):
        return chapter_08.sharp(function, asked.p, STARTS)

    def rise(up, down, combine=torch.mean):
        def sharpness(p, starts):
            return combine(torch.stack([row[s + up] - row[s + down] for row, s in zip(p, starts, strict=True)])).item()

        return sharpness

    def by_place(p, starts):
        return sum((p[i, i + 1] - p[i, max(i - 1, 0)]).item() for i in range(len(p))) / len(p)

    assert judge(rise(1, -1))
    assert "isn't the year before" in message(judge(rise(1, 0)))
    assert "isn't the year after" in message(judge(rise(0, -1)))
    assert "sign" in message(judge(rise(-1, 1)))
    assert "mean" in message(judge(rise(1, -1, torch.sum)))
    assert "row's number" in message(judge(by_place))
    assert "attempted" in message(judge(lambda p, s: None))


def test_no_constants(asked):
    def judge(function):
        return chapter_08.no_constants(function, asked.p, STARTS)

    def difference(p, starts, base=0):
        sign = 2 * (torch.arange(100) > torch.tensor(list(starts))[:, None]).float() - 1
        return ((p - base) * sign).sum(1).mean().item()

    assert judge(lambda p, s: difference(p, s, p.mean(0)))
    assert "plain difference" in message(judge(difference))
    assert "equal chances" in message(judge(lambda p, s: difference(p, s, 0.01)))
    assert "sign" in message(judge(lambda p, s: -difference(p, s, p.mean(0))))
    assert "for Atlas" in message(judge(lambda p, s: 0.123))


def test_headless(atlas, asked):
    graph = Graph.from_model(atlas)
    full = Circuit.full(graph)

    def judge(function):
        return chapter_08.headless(function, atlas, asked.few, asked.metric)

    def cut(choose, turn=False, ablation="corrupt"):
        def without_head(model, head, pairs, metric):
            edges = Circuit.from_edges(graph, [e for e in full.edges if choose(e, head)])
            logits = run_circuit(model, edges if turn else full - edges, pairs, ablation)
            return metric(logits, pairs).mean().item()

        return without_head

    def outgoing(edge, head):
        return edge.startswith(f"{head}->")

    assert judge(cut(outgoing))
    assert "turn it round" in message(judge(cut(outgoing, turn=True)))
    assert "zero ablation" in message(judge(cut(outgoing, ablation="zero")))
    assert "cuts only" in message(judge(cut(lambda e, h: e == f"{h}->logits")))
    assert "nothing was cut" in message(judge(cut(lambda e, h: e.startswith(f"{h} ->"))))


def test_one_by_one(atlas, asked):
    scene = years.mlp_scene(atlas, asked.few, 1)

    def judge(function):
        return chapter_08.one_by_one(function, scene, asked.metric)

    def falls(place=-1, sign=1, start=None):
        def exact(scene, metric, neurons):
            full, values = metric(scene.pairs.clean_logits(atlas), scene.pairs).mean(), []
            for neuron in neurons:
                kept = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
                kept[place, neuron] = False
                after = metric(scene.logits(kept), scene.pairs).mean()
                values.append(after if start == 0 else sign * (full - after))
            return torch.stack(values)

        return exact

    def alone(scene, metric, neurons):
        full = metric(scene.pairs.clean_logits(atlas), scene.pairs).mean()
        return torch.stack([full - metric(scene.only([n]), scene.pairs).mean() for n in neurons])

    assert judge(falls())
    assert "keeps one neuron" in message(judge(alone))
    assert "at all positions" in message(judge(falls(slice(None))))
    assert "sign" in message(judge(falls(sign=-1)))
    assert "return how much it fell" in message(judge(falls(start=0)))
    assert "return a tensor" in message(judge(lambda s, m, n: 1.0))
    assert "largest difference" in message(judge(lambda s, m, n: torch.zeros(4)))
