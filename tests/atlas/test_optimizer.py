"""Muon's update is orthogonal, points downhill, and cuts stacked q, k and v."""

import pytest
import torch

from helpers.atlas.optimizer import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 24), (2, 24, 8)])
def test_singular_values_become_nearly_one(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    result = orthogonalize(matrices)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.4 and values.max() < 1.4
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(result.flatten(1), (left @ right).flatten(1)).min() > 0.95


def test_it_learns_a_linear_map_and_keeps_its_state():
    torch.manual_seed(0)
    target, weight = torch.randn(6, 18), torch.nn.Parameter(torch.zeros(6, 18))
    optimizer, losses = Muon([weight], lr=0.05), []
    for _ in range(150):
        loss = (weight - target).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 10
    assert optimizer.state[weight]["momentum"].shape == weight.shape


def test_stacked_weights_are_treated_as_three():
    torch.manual_seed(0)
    gradients = [torch.randn(6, 6) for _ in range(3)]
    stacked, single = torch.nn.Parameter(torch.zeros(6, 18)), [torch.nn.Parameter(torch.zeros(6, 6)) for _ in range(3)]
    stacked.grad = torch.cat(gradients, 1)
    for weight, gradient in zip(single, gradients, strict=True):
        weight.grad = gradient
    Muon([stacked], lr=0.1).step()
    Muon(single, lr=0.1).step()
    torch.testing.assert_close(stacked.detach(), torch.cat([w.detach() for w in single], 1))
