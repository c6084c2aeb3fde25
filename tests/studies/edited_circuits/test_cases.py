"""A case's controls differ from it in what they should, and in nothing else."""

from typing import get_args

import pytest

from helpers.models.predict import first_token
from helpers.prompts.relations import relation
from helpers.studies.edited_circuits.cases import PAIRS, Part, alike, case_pairs, cases, circuit_of

NAME = "resident_dish"


@pytest.fixture(scope="module")
def case(atlas2):
    return cases(atlas2, NAME, 0, 3, tokens=2)[0]


def test_the_controls_of_a_case(atlas2, case):
    request, answers = case.request, {f.subject: f.answer for f in relation(NAME).facts}
    assert answers[request.subject] == request.old == case.same_answer.answer
    assert case.new_answer.answer == request.new != request.old
    subjects = [request.subject, case.same_answer.subject, case.new_answer.subject]
    others = [other.subject for other in case.others]
    assert len(set(subjects)) == 3 and not {request.subject, case.new_answer.subject} & set(others)
    tokens = {first_token(atlas2, request.text, answer) for answer in (request.old, request.new)}
    assert not tokens & {first_token(atlas2, request.text, other.answer) for other in case.others}
    assert len(set(others)) == len(get_args(Part)) * PAIRS


def test_only_the_other_subjects_vary(atlas2, case):
    found, again, held_out = (case_pairs(atlas2, case, part) for part in get_args(Part))
    assert found.clean == again.clean == held_out.clean and len(set(found.clean)) == 1
    corrupt = [set(pairs.corrupt) for pairs in (found, again, held_out)]
    assert all(len(part) == PAIRS for part in corrupt) and len(set.union(*corrupt)) == 3 * PAIRS
    new = case_pairs(atlas2, case, answer=case.request.new)
    assert new.clean == found.clean and new.corrupt == found.corrupt and new.answers != found.answers
    same = case_pairs(atlas2, case, subject=case.same_answer.subject)
    assert same.corrupt == found.corrupt and same.answers == found.answers and same.clean != found.clean
    assert same.clean_tokens.shape == found.clean_tokens.shape


def test_cases_are_the_same_each_time_and_too_few_is_an_error(atlas2, case):
    assert cases(atlas2, NAME, 0, 1, tokens=2)[0] == case
    with pytest.raises(ValueError, match=f"facts of {NAME} that can be compared, not 9999"):
        cases(atlas2, NAME, 0, 9999)


def test_long_subjects_only(atlas2):
    least = min(len(fact.subject.split()) for group in alike(atlas2, relation(NAME), 0, 3) for fact in group)
    assert least >= 2


def test_where_each_subject_has_its_own_answer(atlas2):
    case = cases(atlas2, "country_capital", 0, 1)[0]
    assert case.same_answer is None and case.new_answer.answer == case.request.new


def test_a_circuit_has_its_size(atlas2, case):
    assert circuit_of(atlas2, case_pairs(atlas2, case), 50).n_edges == 50
