"""How far an edit fires at other keys: two routes agree, and leaking subjects are found."""

from dataclasses import replace

import pytest
import torch

from helpers.atlas.sample import corpus_covariance
from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.studies.edited_circuits.edit_leaks import (
    edit_keys,
    key_overlap,
    key_similarity,
)


def test_fired_by_hand():
    change = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    own = torch.tensor([1.0, 0.0])
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.5, 7.0]])
    assert key_overlap(change, own, keys).tolist() == [1.0, 0.0, -0.5]


def test_similarity_by_hand():
    moment = torch.diag(torch.tensor([1.0, 4.0]))
    own, keys = torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 2.0], [2.0, 0.0]])
    assert key_similarity(moment, own, keys).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert key_similarity(moment, own, torch.tensor([[0.0, 0.0]])).item() == 0


def test_for_rome_both_are_the_same(atlas):
    """Its change is C^-1 k* v^T, so how far it fires is the similarity of keys."""
    request = edit_requests(atlas, "country_capital", 1, 1)[0]
    moment = corpus_covariance(atlas, 3)
    edit = rome(atlas, request, 3, at="last", prefixes=(), covariance=moment)
    others = [replace(request, subject=name) for name in ("France", "Ghana", "Peru")]
    own, *keys = edit_keys(atlas, [request, *others], 3, "last")
    ((name, before),) = edit.before.items()
    two = key_overlap(edit.after[name] - before, own, torch.stack(keys)), key_similarity(moment, own, torch.stack(keys))
    assert torch.allclose(*two, atol=1e-2)
