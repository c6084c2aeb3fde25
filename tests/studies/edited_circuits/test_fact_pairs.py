"""Pairs of one fact: the halves are apart, and the same prompts can be asked for another answer."""

import pytest
import torch
from jaxtyping import TypeCheckError

from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import edit_requests
from helpers.prompts.facts import split_of
from helpers.studies.edited_circuits.fact_pairs import asked_again, fact_pairs, other_facts


@pytest.fixture(scope="module")
def request_(atlas):
    return edit_requests(atlas, "country_capital", 1, 1)[0]


@pytest.fixture(scope="module")
def pairs(atlas, request_):
    return fact_pairs(atlas, request_, 6)


def test_pairs_keep_the_halves_apart(atlas, request_, pairs):
    test = fact_pairs(atlas, request_, 6, half="test")
    assert not set(pairs.clean) & set(test.clean), "other templates"
    assert not set(pairs.wrong) & set(test.wrong), "other subjects"
    for part in (pairs, test):
        assert all(request_.subject in text for text in part.clean)
        assert (part.clean_logits(atlas).argmax(-1) == part.answer_ids).float().mean() > 0.8
        assert not {f" {request_.new}", f" {request_.old}"} & set(part.wrong)
    templates = {text.replace(request_.subject, "{}") for text in pairs.clean}
    assert templates == {request_.prompt, *request_.wordings}


def test_other_subjects(atlas, request_):
    found = other_facts(atlas, request_, 5, 0, half="test")
    assert len(found) == 5 and all(split_of(f) == "test" for f in found)
    assert found == other_facts(atlas, request_, 5, 0, half="test")
    assert found != other_facts(atlas, request_, 5, 0, half="test", seed=1)
    with pytest.raises((ValueError, TypeCheckError), match="both"):
        fact_pairs(atlas, request_, half="both")
    with pytest.raises((ValueError, TypeCheckError), match="both"):
        other_facts(atlas, request_, 5, 0, half="both")


def test_asked_again_wants_another_answer_and_logits_are_the_models_of_now(atlas, request_, pairs):
    again = asked_again(atlas, pairs, request_.old)
    assert torch.equal(again.answer_ids, pairs.answer_ids) and again.subjects == pairs.subjects
    after, before = asked_again(atlas, pairs, request_.new), pairs.clean_logits(atlas)
    with ft_m(atlas, request_, 5):
        edited = pairs.clean_logits(atlas)
    assert after.clean_ids == pairs.clean_ids and not torch.equal(edited, before)
    assert (edited.argmax(-1) == after.answer_ids).float().mean() > 0.5
    assert torch.equal(pairs.clean_logits(atlas), before), "pairs are of the model as it is"
