"""Two answers on their way: by hand in loops, by the bridge's own hooks, and cut into kinds by the stated rules."""

from dataclasses import replace

import pytest
import torch

from helpers import read_network, relation
from helpers.components.lens import lens_logits
from helpers.models.run import residuals, stop_names
from helpers.studies.hallucination.contests import (
    DETOUR,
    EQUAL,
    RANDOM,
    RIGHT,
    WRONG,
    batches,
    contests,
    late_stops,
    look,
    way_rows,
)
from helpers.studies.hallucination.questions import fact_questions


@pytest.fixture(scope="module")
def asked(atlas2):
    facts = [fact for fact in relation("person_hometown").facts if fact.exposures == 10]
    return fact_questions(atlas2, facts[:10], (0, 1))


@pytest.fixture(scope="module")
def seen(atlas2, asked):
    return look(read_network(atlas2), asked)


def test_batches_hold_each_question_once(asked):
    found = list(batches(asked, 3))
    assert sorted(place for places, _ in found for place in places) == list(range(len(asked)))
    for places, tokens in found:
        assert len(places) <= 3 and [tuple(row) for row in tokens.tolist()] == [asked[place].ids for place in places]


def test_what_is_seen_is_the_bridges(atlas2, asked, seen):
    for place in (0, 7):
        question = asked[place]
        _, cache = atlas2.run_with_cache(torch.tensor([question.ids]))
        for layer in (0, 6):
            own = cache[f"blocks.{layer}.hook_resid_post"][0, -1]
            assert torch.allclose(seen.last[2 * layer + 2, place], own, atol=1e-3)
        pattern = cache["blocks.5.attn.hook_pattern"][0, :, -1, question.subject].amax(-1)
        assert torch.allclose(seen.attention[place, 30:36], pattern, atol=1e-4)
        half_way = cache["blocks.4.hook_resid_post"][0, question.subject.stop - 1]
        assert torch.allclose(seen.subject[place], half_way, atol=1e-3)


def test_every_question_has_its_contests(asked):
    question = replace(asked[0], accepted=(5, 6), members=(5, 6, 7, 8, 9))
    logits = torch.zeros(4, 12)
    logits[0, 6], logits[0, 8] = 9, 4  # right, by the second accepted answer
    logits[1, 7], logits[1, 5], logits[1, 9] = 9, 3, 3.1  # wrong: another answer
    logits[2, 11], logits[2, 5], logits[2, 7] = 9, 3, 2.9  # wrong: another word
    logits[3, 11] = 9  # a detour
    found = contests([question] * 4, logits, [False, False, False, True])
    assert found[0] == (0, RIGHT, 8, 6)
    assert found[1:3] == [(1, WRONG, 5, 7), (1, EQUAL, 9, 7)] and found[4:6] == [(2, WRONG, 5, 11), (2, EQUAL, 7, 11)]
    assert found[3][1] == RANDOM and found[3][2] in (8, 9) and found[-1] == (3, DETOUR, 5, 11)
    assert contests([replace(question, members=(5, 7))], logits[1:2]) == [], "nothing to compare with"


def test_ways_agree_with_a_loop(atlas2, asked, seen):
    net, names = read_network(atlas2), stop_names(8)
    found = contests(asked, net.unembed(seen.last[-1]))
    ways = way_rows(net, seen.last, found)
    assert list(late_stops(net)) == list(range(9, 16)) and {WRONG, RIGHT} <= set(ways.way)
    for row, (place, _, loser, winner) in zip(ways.itertuples(), found, strict=True):
        stops = residuals(net, torch.tensor([asked[place].ids]))[:, 0, -1]
        logits = lens_logits(net, stops)
        gaps = (logits[:, loser] - logits[:, winner])[9:16]
        ahead = [n for n, gap in enumerate(gaps.tolist()) if gap > 0]
        assert row.ahead == bool(ahead) and abs(row.lead - gaps.max().item()) < 1e-2
        assert row.led == any(logits[stop].argmax() == loser for stop in range(9, 16))
        assert row.stops == "".join(str(int(n in ahead)) for n in range(7))
        if ahead:
            assert row.passed == names[9 + ahead[-1] + 1]
            assert row.part == {"a": "attention", "m": "MLP"}[row.passed[0]]
        else:
            assert row.passed is None or row.passed != row.passed
        direction = (net.W_U[:, loser] - net.W_U[:, winner])[:, None]
        total = net.norm.share((stops[-1] - stops[8])[None], stops[-1:]) @ direction
        assert abs(row.attention + row.MLP - total.item()) < 1e-2
