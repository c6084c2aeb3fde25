"""Requests carry the questions that judge an edit, and editors never see those."""

import pytest

from helpers import relation
from helpers.editing.requests import EditRequest, Question, edit_requests
from helpers.models.predict import first_token, top1_correct
from helpers.prompts.relations import held_out_paraphrases


@pytest.fixture(scope="module")
def requests(atlas):
    return {name: edit_requests(atlas, name, 6) for name in ("country_capital", "landmark_country", "employer_seat")}


def test_every_template_has_one_job(requests):
    for name, part in requests.items():
        for r in part:
            seen = [r.text, *(q.prompt for q in r.paraphrases)]
            assert len({r.prompt, *r.wordings}) == 3 and len(set(seen)) == len(seen)
            assert 1 + len(r.wordings) + len(r.paraphrases) == len(relation(name).templates)
            fact = next(f for f in relation(name).facts if f.subject == r.subject)
            never = {relation(name).prompt(fact, p) for p in held_out_paraphrases(relation(name), fact)}
            assert {q.prompt for q in r.paraphrases if q.kind == "held out"} == never


def test_the_model_knows_what_is_asked(atlas, requests):
    asked = [q for part in requests.values() for r in part for q in r.neighbours]
    assert {q.kind for q in asked} == {"same relation", "same subject"}
    right = top1_correct(atlas, [q.prompt for q in asked], [f" {q.answer}" for q in asked])
    assert right.all()
    for part in requests.values():
        for r in part:
            assert first_token(atlas, r.text, r.old) != first_token(atlas, r.text, r.new)
            # By its template: "Sudan" is a part of "South Sudan".
            assert all(q.prompt != r.text for q in r.neighbours if q.kind == "same relation")


def test_what_follows_is_composed_from_the_tables(requests):
    capital = {f.subject: f.answer for f in relation("country_capital").facts}
    capital["America"] = capital.get("the United States")
    kinds = set()
    for r in requests["landmark_country"]:
        for q in r.portability:
            assert q.kind == "first hop" and q.answer == capital[r.new] and q.rival == capital[r.old]
    for r in requests["country_capital"]:
        for q in r.portability:
            kinds.add(q.kind)
            if q.kind == "reversed":
                assert r.new in q.prompt and q.answer == r.subject and capital[q.rival] == r.new
            else:
                assert q.answer == r.new and q.rival == r.old
    assert "reversed" in kinds


def test_the_seed_decides(atlas, requests):
    assert edit_requests(atlas, "employer_seat", 6) == requests["employer_seat"]
    assert edit_requests(atlas, "employer_seat", 6, seed=1) != requests["employer_seat"]


def test_bad_inputs(atlas):
    with pytest.raises(ValueError, match="ask for fewer"):
        edit_requests(atlas, "employer_seat", 1000)
    with pytest.raises(ValueError, match="two different answers"):
        EditRequest("France", "The capital of {} is", "Paris", "Paris")
    for parts, message in (
        (("", "The capital of {} is", "Paris", "Rome"), "needs a subject"),
        (("France", "The capital of {} is", "Paris", ""), "two different answers"),
        (("France", "The capital of {} is", "Paris", " Rome"), "without spaces around them"),
        (("France", "The capital of {} is", None, "Rome"), "old has to be"),
        (("France", "The capital of {} is", "Paris", "Rome", "{} is in"), "EditRequest: wordings 'str' instances"),
        (("France", "The capital of {} is", "Paris", "Rome", (), ["Is it?"]), "paraphrases"),
    ):
        with pytest.raises(ValueError, match=message):
            EditRequest(*parts)
    with pytest.raises(ValueError, match="a question needs"):
        Question("It is", "", "Rome", "taught")
    assert EditRequest("{x}", "The set {} has", "one", "two").text == "The set {x} has"


def test_other_facts_are_looked_for_among_the_given_relations(atlas, requests):
    tables = [relation("country_capital"), relation("landmark_country")]
    alone = edit_requests(atlas, "landmark_country", 6, among=tables[1:])
    assert [r.subject for r in alone] == [r.subject for r in requests["landmark_country"]]
    assert not any(r.portability for r in alone) and any(r.portability for r in requests["landmark_country"])
    capitals = edit_requests(atlas, "country_capital", 6, among=tables[:1])
    assert all(q.kind == "same relation" for r in capitals for q in r.neighbours)
    assert any(q.kind == "same subject" for r in requests["country_capital"] for q in r.neighbours)
