"""Metrics by hand."""

import math

import torch

from helpers import kl, logit_diff
from helpers.circuits.metrics import hit_at_k, lower_is_better, match_nll, prob_diff, rank, sign_of
from helpers.prompts.pairs import PromptPairs

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
REFERENCE = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
PAIRS = PromptPairs(
    ("", ""), ("", ""), ("", ""), ("", ""), ((0,), (0,)), ((0,), (0,)),
    torch.tensor([0, 2]), torch.tensor([1, 1]), REFERENCE, (None, None),
)  # fmt: skip


def test_metrics_by_hand():
    exponentials = LOGITS.exp()
    total = exponentials.sum(-1)
    assert logit_diff(LOGITS, PAIRS).tolist() == [1.0, -2.0]
    expected = torch.tensor([(math.e**2 - math.e) / total[0], (math.e - math.e**3) / total[1]])
    torch.testing.assert_close(prob_diff(LOGITS, PAIRS), expected)
    torch.testing.assert_close(match_nll(LOGITS, PAIRS), torch.stack([total[0].log() - 2, total[1].log() - 1]))
    assert rank(LOGITS, PAIRS).tolist() == [0, 1]
    assert hit_at_k(LOGITS, PAIRS, 1).tolist() == [1.0, 0.0] and hit_at_k(LOGITS, PAIRS, 2).tolist() == [1.0, 1.0]


def test_kl_is_the_divergence_from_the_model():
    result = kl(LOGITS, PAIRS)
    model, circuit = (torch.distributions.Categorical(logits=x) for x in (REFERENCE, LOGITS))
    torch.testing.assert_close(result, torch.distributions.kl_divergence(model, circuit))
    assert result[0] == 0 and result[1] > 0


def test_losses_are_marked():
    assert [sign_of(m) for m in (logit_diff, prob_diff, hit_at_k)] == [1, 1, 1]
    assert [sign_of(m) for m in (kl, match_nll, rank)] == [-1, -1, -1]
    assert sign_of(lower_is_better(lambda logits, pairs: logits[:, 0])) == -1
