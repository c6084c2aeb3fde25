"""The checks of the chapter on edited circuits take right answers and reject plausible wrong ones with a reason."""

import math
import random

import numpy as np
import pytest
import torch

from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.exercises import chapter_11
from helpers.exercises.chapter_11 import DRAWS, fall, patched
from helpers.exercises.kit import Verdict, mean_interval
from helpers.models.predict import prompt_ids
from helpers.studies.tables import read_table


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_falls_at():
    def judge(value):
        return chapter_11.falls_at(lambda ranks, layer: value(ranks, [math.log(r) for r in ranks], layer))

    assert judge(lambda ranks, logs, layer: fall(logs, layer))
    assert "logarithm first" in message(judge(lambda ranks, logs, layer: fall(ranks, layer)))
    assert "attention's share" in message(judge(lambda ranks, logs, layer: fall(logs, layer, -1)))
    assert "whole layer" in message(judge(lambda ranks, logs, n: fall(logs, n) + fall(logs, n, -1)))
    late = judge(lambda ranks, logs, n: (logs[2 * n + 1] - logs[2 * n + 2]) / (logs[2 * n + 1] - logs[-1]))
    assert "begins at the embedding" in message(late)
    assert "whole fall" in message(judge(lambda ranks, logs, layer: logs[2 * layer + 1] - logs[2 * layer + 2]))
    assert "positive" in message(judge(lambda ranks, logs, layer: -fall(logs, layer)))
    assert "at layer 0" in message(judge(lambda ranks, logs, layer: 0.5))
    assert "attempted" in message(chapter_11.falls_at(lambda ranks, layer: None))


@pytest.fixture(scope="module")
def edited(atlas):
    request = edit_requests(atlas, "country_capital", 1, 1)[0]
    tokens = torch.tensor([prompt_ids(atlas.tokenizer, request.text)])
    heads = [f"a{n}.h{h}" for n in range(1, 5) for h in range(8)]
    return rome(atlas, request, 0, prefixes=()), tokens, heads


def test_patches_last(atlas, edited):
    def judge(function):
        return chapter_11.patches_last(function, atlas, *edited)

    assert judge(lambda *a: patched(atlas, *a))
    assert "all positions" in message(judge(lambda *a: patched(atlas, *a, everywhere=True)))
    assert "unedited run" in message(judge(lambda *a: patched(atlas, *a, into_edited=False)))
    assert "still write" in message(judge(lambda edit, tokens, heads: patched(atlas, edit, tokens, [])))
    assert "return logits" in message(judge(lambda *a: torch.zeros(2)))
    assert "differ by" in message(judge(lambda *a: patched(atlas, *a) + 1))
    assert "attempted" in message(judge(lambda *a: None))
    edit = edited[0]
    try:
        assert "still in the model" in message(judge(lambda *a: edit.apply() and torch.zeros(2)))
    finally:
        edit.undo()


def test_beyond_yardstick():
    table = read_table("rewired")

    def judge(function):
        return chapter_11.beyond_yardstick(function, table)

    def unpaired(edited, natural, seed):
        rng = random.Random(seed)
        n = len(edited)
        draws = [
            np.mean([edited[rng.randrange(n)] for _ in range(n)])
            - np.mean([natural[rng.randrange(n)] for _ in range(n)])
            for _ in range(1000)
        ]
        return np.quantile(draws, [0.025, 0.975])

    def paired_quantiles(edited, natural, seed):
        return mean_interval(np.subtract(edited, natural), seed, DRAWS)

    assert judge(paired_quantiles)
    assert "minus `edited`" in message(judge(lambda e, n, s: -paired_quantiles(e, n, s)[::-1]))
    assert "lower end comes first" in message(judge(lambda e, n, s: paired_quantiles(e, n, s)[::-1]))
    assert "same requests" in message(judge(unpaired))
    assert "it is about" in message(judge(lambda e, n, s: paired_quantiles(e, n, s) + 0.05))
    assert "two numbers" in message(judge(lambda e, n, s: 0.0))
    assert "attempted" in message(judge(lambda e, n, s: None))
