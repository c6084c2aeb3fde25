"""Changes within the null space and many at once: on matrices small enough to know the answer."""

import pytest
import torch

from helpers.studies.locate_and_edit.updates import changes_at_once, null_space, projected_change


@pytest.fixture
def usual():
    """Usual keys in the first two of six directions; the other four are hardly used."""
    return torch.diag(torch.tensor([4.0, 2.0, 1e-6, 1e-6, 1e-6, 1e-6]))


def test_the_null_space_leaves_usual_keys_out(usual):
    P = null_space(usual)
    assert torch.allclose(P, torch.diag(torch.tensor([0.0, 0, 1, 1, 1, 1])).double(), atol=1e-8)
    assert torch.allclose(P @ P, P)


def test_a_projected_change_answers_keys_and_spares_usual_ones(usual):
    K, V = torch.tensor([[1.0, 0, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]]), torch.tensor([[1.0, 2], [3, 4]])
    U = projected_change(null_space(usual), K, V)
    assert torch.allclose(K @ U, V, atol=1e-5)
    assert U[:2].abs().max() < 1e-6


def test_single_edits_added_miss_what_changes_at_once_answer(usual):
    K, V = torch.tensor([[0.0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0]]), torch.tensor([[1.0, 2], [3, 4]])
    changes = changes_at_once(usual, null_space(usual), K, V)
    assert torch.allclose(K @ changes["MEMIT"], V, atol=1e-3)
    assert torch.allclose(K @ changes["AlphaEdit"], V, atol=1e-3)
    assert not torch.allclose(K @ changes["single edits, added"], V, atol=0.1)
