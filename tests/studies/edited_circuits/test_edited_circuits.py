"""Circuits of one fact: fair pairs, the same prompts asked again, what heads carry."""

import pandas as pd
import pytest
import torch
from jaxtyping import TypeCheckError

from helpers.circuits.ablation import run_circuit
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.prompts.facts import split_of
from helpers.prompts.relations import relation
from helpers.studies.edited_circuits.edited_circuits import (
    asked_again,
    carried,
    control_fact,
    fact_circuit,
    fact_pairs,
    near_from,
    other_facts,
)


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


def test_a_circuit_is_small_and_recalls(atlas, pairs):
    circuit = fact_circuit(atlas, pairs)
    assert circuit.n_edges == int(0.03 * circuit.graph.n_edges)
    said = run_circuit(atlas, circuit, pairs).argmax(-1)
    assert (said == pairs.answer_ids).float().mean() > 0.8


def test_the_twin_has_the_new_answer(request_):
    twin = control_fact(request_)
    assert twin.old == request_.new and twin.subject != request_.subject
    assert any(f.subject == twin.subject and f.answer == twin.old for f in relation(request_.relation).facts)


def test_heads_carry_what_is_written_at_the_subject_and_nothing_that_is_written_last(atlas, request_, pairs):
    """By hand: behind the last layer no head reads; what is written before the last position must pass a head."""
    above = [f"a{n}.h{h}" for n in range(1, 6) for h in range(8)]
    before = pairs.clean_logits(atlas).clone()
    last = carried(atlas, ft_m(atlas, request_, 5), pairs, request_, {"all": above, "none": []})
    assert last.loc["all"].round(3)[["alone", "lost"]].tolist() == [0, 0] and last.effect.iloc[0] > 1
    at_subject = rome(atlas, request_, 0, prefixes=())
    shares = carried(atlas, at_subject, pairs, request_, {"all": above, "none": []})
    assert shares.loc["all", "lost"] == pytest.approx(1, abs=0.1) and shares.loc["none", "alone"] == 0
    assert torch.equal(pairs.clean_logits(atlas), before), "the model is as it was"
    with pytest.raises(ValueError, match="at least one set"):
        carried(atlas, at_subject, pairs, request_, {})


def test_near_from_by_hand():
    table = pd.DataFrame({"pair": [0] * 4 + [1] * 4, "stop": [0, 1, 2, 3] * 2, "rank": [50, 9, 30, 10, 99, 2, 1, 11]})
    near = near_from(table)
    assert near[0] == 3 and pd.isna(near[1])
