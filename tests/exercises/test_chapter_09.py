"""The checks of the chapter on circuit competition take right answers and reject plausible wrong ones with a reason."""

import pandas as pd
import pytest
import torch

from helpers import Circuit, Graph, eap_ig, logit_diff, run_circuit
from helpers.exercises import chapter_09
from helpers.exercises.chapter_09 import paired_quantiles
from helpers.exercises.kit import Verdict
from helpers.studies.competition.competition import scale_edges
from helpers.studies.competition.conflicts import fact_conflicts


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def conflicts(atlas):
    return fact_conflicts(atlas, "landmark_country", 8, repeated=[2], split="test")


def test_adds_up(atlas, conflicts):
    def parts(some):
        start = logit_diff(run_circuit(atlas, Circuit.empty(Graph.from_model(atlas)), some.both), some.both)
        return start, *(logit_diff(p.clean_logits(atlas), p) for p in (some.both, some.first, some.second))

    def judge(combine):
        return chapter_09.adds_up(lambda some: combine(*parts(some)), atlas, conflicts)

    assert judge(lambda start, both, first, second: both - first + second + start)
    assert "second answer counts" in message(judge(lambda start, both, first, second: both - first - second + start))
    assert "add it back once" in message(judge(lambda start, both, first, second: both - first + second))
    assert "taken away twice" in message(judge(lambda start, both, first, second: both - first + second - start))
    assert "wrong way round" in message(judge(lambda start, both, first, second: first - second - start - both))
    assert "for the first conflict" in message(judge(lambda start, both, first, second: both))
    assert "tensor of" in message(chapter_09.adds_up(lambda some: 1.0, atlas, conflicts))
    assert "attempted" in message(chapter_09.adds_up(lambda some: None, atlas, conflicts))


def test_turns(atlas, conflicts):
    circuit = eap_ig(atlas, conflicts.both).greedy(40)

    def judge(function):
        return chapter_09.turns(function, atlas, conflicts.both, circuit)

    def right(pairs, circuit, factor):
        return scale_edges(atlas, pairs, [(circuit, factor)])

    assert judge(right)
    assert "all other edges have to stay" in message(judge(lambda p, c, f: run_circuit(atlas, c, p)))
    assert "changed nothing" in message(judge(lambda p, c, f: p.clean_logits(atlas)))
    assert "all edges but the circuit's" in message(judge(lambda p, c, f: right(p, ~c, f)))
    assert "back in their places" in message(judge(lambda p, c, f: right(p, c, f).flip(0)))
    assert "with a factor of 2" in message(judge(lambda p, c, f: right(p, c, f * f)))
    assert "one row for each pair" in message(judge(lambda p, c, f: torch.zeros(2)))
    assert "attempted" in message(judge(lambda p, c, f: None))


def test_controlled():
    def right(question, value, other, times):
        return f"{other} {value}. " * times + question

    def judge(function):
        return message(chapter_09.controlled(function, "less"))

    assert chapter_09.controlled(right, "less")
    assert "what does that say" in message(chapter_09.controlled(right, "more"))
    assert "predict one of" in message(chapter_09.controlled(right, "fewer"))
    assert "attempted" in message(chapter_09.controlled(right, None))
    assert "attempted" in judge(lambda q, v, o, t: None)
    assert "one text" in judge(lambda q, v, o, t: [q])
    assert "end with the question" in judge(lambda q, v, o, t: right(q, v, o, t) + " ")
    assert "about the subject" in judge(lambda q, v, o, t: f"{q} {v}. " * t + q)
    assert "must stand there" in judge(lambda q, v, o, t: f"{o} Tokyo. " * t + q)
    assert "another dose" in judge(lambda q, v, o, t: right(q, v, o, 2))
    assert "differs in form" in judge(lambda q, v, o, t: f"{v}. " * t + q)
    assert "a point and a space" in judge(lambda q, v, o, t: f"{o} {v} " * t + q)


def test_paired():
    generator = torch.Generator().manual_seed(0)
    measured = torch.randn(60, generator=generator)
    table = pd.DataFrame(
        {
            "measured": measured,
            "predicted": measured + torch.randn(60, generator=generator),
            "start": torch.randn(60, generator=generator),
        }
    )

    def unpaired(one, other, measured, seed):
        a = paired_quantiles(one, [-m for m in measured], measured, seed)
        b = paired_quantiles(other, [-m for m in measured], measured, seed + 1)
        return a[0] - b[1], a[1] - b[0]

    def judge(function):
        return chapter_09.paired(function, table)

    assert judge(paired_quantiles)
    assert "minus `one`" in message(judge(lambda a, b, m, s: -paired_quantiles(a, b, m, s)))
    assert "it is about" in message(judge(unpaired)) or "same resample" in message(judge(unpaired))
    assert "lower end comes first" in message(judge(lambda a, b, m, s: paired_quantiles(a, b, m, s)[::-1]))
    assert "two numbers" in message(judge(lambda a, b, m, s: 0.1))
    assert "attempted" in message(judge(lambda a, b, m, s: None))
