"""Metrics by hand."""

import math
from functools import partial, wraps

import pytest
import torch

from helpers import eap, kl, logit_diff
from helpers.circuits.metrics import as_metric, higher_is_better, hit_at_k, lower_is_better, match_nll, prob_diff, rank
from helpers.prompts.pairs import PromptPairs

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
REFERENCE = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
PAIRS = PromptPairs(
    ("", ""), ("", ""), ("", ""), ("", ""), ((0,), (0,)), ((0,), (0,)),
    torch.tensor([0, 2]), torch.tensor([1, 1]), (None, None), "",
)  # fmt: skip


def test_metrics_by_hand():
    exponentials = LOGITS.exp()
    total = exponentials.sum(-1)
    assert logit_diff(LOGITS, PAIRS).tolist() == [1.0, -2.0]
    expected = torch.tensor([(math.e**2 - math.e) / total[0], (math.e - math.e**3) / total[1]])
    torch.testing.assert_close(prob_diff(LOGITS, PAIRS), expected)
    torch.testing.assert_close(match_nll(LOGITS, PAIRS), torch.stack([total[0].log() - 2, total[1].log() - 1]))
    assert rank(LOGITS, PAIRS).tolist() == [1, 2]
    assert hit_at_k(LOGITS, PAIRS, 1).tolist() == [1.0, 0.0] and hit_at_k(LOGITS, PAIRS, 2).tolist() == [1.0, 1.0]


def test_kl_is_the_divergence_from_the_model():
    result = kl(LOGITS, PAIRS, REFERENCE)
    model, circuit = (torch.distributions.Categorical(logits=x) for x in (REFERENCE, LOGITS))
    torch.testing.assert_close(result, torch.distributions.kl_divergence(model, circuit))
    assert result[0] == 0 and result[1] > 0


def test_every_metric_knows_which_way_is_better():
    assert [m.sign for m in (logit_diff, prob_diff, hit_at_k)] == [1, 1, 1]
    assert [m.sign for m in (kl, match_nll, rank)] == [-1, -1, -1]


def test_a_direction_survives_what_wraps_a_metric():
    def louder(metric):
        @wraps(metric)
        def call(logits, pairs):
            return 2 * metric(logits, pairs)

        return call

    first = partial(partial(hit_at_k, k=1))
    assert as_metric(first).sign == 1 and as_metric(first)(LOGITS, PAIRS).tolist() == [1, 0]
    assert as_metric(partial(match_nll)).sign == -1 and as_metric(partial(kl)).against_model
    assert as_metric(louder(match_nll)).sign == -1 and as_metric(louder(partial(rank))).sign == -1


def test_a_direction_that_nobody_said_is_asked_for(planted):
    def own(logits, pairs):
        return -match_nll(logits, pairs)

    with pytest.raises(ValueError, match="metric has to be a metric such as logit_diff or kl, not 'kl'"):
        eap(planted.model, planted.pairs, "kl")
    for metric in (own, lambda logits, pairs: own(logits, pairs), partial(own)):
        assert as_metric(metric).sign is None
        with pytest.raises(ValueError, match="eap: metric doesn't say which way is better"):
            eap(planted.model, planted.pairs, metric)
    up, down = (eap(planted.model, planted.pairs, turn(own)).values for turn in (higher_is_better, lower_is_better))
    assert torch.equal(up, -down) and torch.equal(up, eap(planted.model, planted.pairs, match_nll).values)


def test_turning_a_metric_leaves_it_as_it_is():
    assert lower_is_better(logit_diff).sign == -1 and logit_diff.sign == 1


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda logits, pairs: logits.sum(), r"one value for each of 2 pairs, not shape \(\)"),
        (lambda logits, pairs: logits, r"not shape \(2, 3\)"),
        (lambda logits, pairs: logits[1:, 0], r"not shape \(1,\)"),
        (lambda logits, pairs: logits[:, 0].tolist(), "not list"),
        (lambda logits, pairs: logits[:, 0] / 0, "isn't finite for pair 0"),
    ],
)
def test_a_metric_gives_one_finite_number_for_each_pair(function, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_metric(function)(LOGITS, PAIRS)


def test_what_compares_with_the_model_needs_its_logits():
    with pytest.raises(ValueError, match=r"kl compares with the whole model: give it pairs.clean_logits\(model\)"):
        kl(LOGITS, PAIRS)
    with pytest.raises(ValueError, match="1 rows of logits for 2 pairs"):
        logit_diff(LOGITS[:1], PAIRS)
