"""How far an edit fires at other keys: two routes agree, and leaking subjects are found."""

from dataclasses import replace

import pytest
import torch

from helpers.atlas.sample import corpus_covariance
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.models.predict import likeliest_ids
from helpers.studies.edited_circuits.edit_leaks import (
    bleedover_pairs,
    edit_keys,
    fired_behind,
    key_overlap,
    key_similarity,
    mean_key_similarity,
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


def test_mean_shares_are_what_an_edit_writes(atlas):
    """The share of the value that an edit, put in, really writes at the end of a paraphrase or a neighbour's prompt."""
    requests, written = edit_requests(atlas, "country_capital", 2, 1), {"paraphrases": [], "neighbours": []}
    for request in requests:
        edit = rome(atlas, request, 3, at="last", prefixes=(), wordings=2)
        ((name, before),) = edit.before.items()
        value = edit.about["delta"]
        for kind, found in written.items():
            keys = []
            for question in getattr(request, kind):
                _, cache = atlas.run_with_cache(atlas.to_tokens(question.prompt))
                keys.append(cache["blocks.3.mlp.hook_post"][0, -1])
            said = torch.stack(keys) @ (edit.after[name] - before)
            found.append((said @ value / (value @ value)).mean().item())
    shares = mean_key_similarity(atlas, requests, 3, wordings=2)
    assert shares == pytest.approx({kind: sum(found) / 2 for kind, found in written.items()}, abs=1e-2)
    assert shares["paraphrases"] > shares["neighbours"]


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


def test_fired_behind_is_the_share_at_the_last_key(atlas):
    request = edit_requests(atlas, "country_capital", 1, 1)[0]
    edit = rome(atlas, request, 3, at="last", prefixes=(), covariance=corpus_covariance(atlas, 3))
    others = [replace(request, subject=name) for name in ("France", "Ghana")]
    own, *keys = edit_keys(atlas, [request, *others], 3, "last")
    ((name, before),) = edit.before.items()
    slow = key_overlap(edit.after[name] - before, own, torch.stack(keys)).tolist()
    again = fired_behind(atlas, edit, request, [request.text, *(q.text for q in others)], 3)
    assert again == pytest.approx([1.0, *slow], abs=1e-3)
    with pytest.raises(ValueError, match=r"changes layers\.3\.mlp\.W_out, not layers\.2"):
        fired_behind(atlas, edit, request, [request.text], 2)


def test_shares_need_questions(atlas):
    request = edit_requests(atlas, "country_capital", 1, 1)[0]
    for requests in ([], [replace(request, neighbours=())]):
        with pytest.raises(ValueError, match="paraphrases and neighbours"):
            mean_key_similarity(atlas, requests, 3)


def test_leaking_subjects(atlas):
    request = edit_requests(atlas, "landmark_country", 1, 1)[0]
    edit = ft_m(atlas, request, 5, wordings=2)
    pairs = bleedover_pairs(atlas, edit, request, 4)
    with edit:
        assert likeliest_ids(atlas, pairs.clean).tolist() == pairs.answer_ids.tolist()
        assert likeliest_ids(atlas, pairs.corrupt).tolist() == pairs.wrong_ids.tolist()
    assert not set(likeliest_ids(atlas, pairs.clean).tolist()) & set(pairs.answer_ids.tolist()), (
        "the model is as it was"
    )
    nothing = replace(edit, after=dict(edit.before))
    with pytest.raises(ValueError, match="none that changed"):
        bleedover_pairs(atlas, nothing, request)
