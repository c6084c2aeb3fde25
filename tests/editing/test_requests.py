"""Requests carry the questions that judge an edit, and editors never see those."""

import json
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import relation
from helpers.editing.requests import EditRequest, Question, edit_requests, read_counterfact
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


RECORD = {
    "requested_rewrite": {
        "prompt": "The mother tongue of {} is",
        "relation_id": "P103",
        "target_new": {"str": "English", "id": "Q1860"},
        "target_true": {"str": "French", "id": "Q150"},
        "subject": "Danielle Darrieux",
    },
    "paraphrase_prompts": ["Danielle Darrieux, a native"],
    "neighborhood_prompts": ["The native language of Montesquieu is"],
}


def test_counterfact_is_read(tmp_path):
    path = tmp_path / "cf.json"
    path.write_text(json.dumps([RECORD]), encoding="utf-8")
    (r,) = read_counterfact(path)
    assert (r.text, r.old, r.new) == ("The mother tongue of Danielle Darrieux is", "French", "English")
    assert r.paraphrases[0].answer == "English" and r.neighbours[0].answer == "French"
    assert r.neighbours[0].rival == "English" and r.relation == "P103"


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not valid JSON"),
        ("{}", "list of records"),
        ('[{"requested_rewrite": {"subject": "x"}}]', "record 0 lacks requested_rewrite.prompt"),
        (json.dumps([RECORD | {"requested_rewrite": RECORD["requested_rewrite"] | {"prompt": "no"}}]), "exactly once"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "cf.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_counterfact(path)


REWRITE = RECORD["requested_rewrite"]
BAD = {
    "record 0: paraphrase_prompts has to be a valid list: 'The capital of France is'": {
        "paraphrase_prompts": "The capital of France is"
    },
    "neighborhood_prompts has to be a valid list: dict": {"neighborhood_prompts": {"a": "b"}},
    "neighborhood_prompts.0 has to be a valid string: 5": {"neighborhood_prompts": [5]},
    "paraphrase_prompts.0 has to have at least 1 character": {"paraphrase_prompts": [" "]},
    "requested_rewrite has to be a valid dictionary": {"requested_rewrite": "France"},
    "lacks requested_rewrite.target_new.str": {"requested_rewrite": REWRITE | {"target_new": {"id": "Q1"}}},
    "target_new has to be": {"requested_rewrite": REWRITE | {"target_new": "English"}},
    "subject has to be a valid string: NoneType": {"requested_rewrite": REWRITE | {"subject": None}},
    "exactly once": {"requested_rewrite": REWRITE | {"prompt": "{} and {}"}},
    "two different answers": {"requested_rewrite": REWRITE | {"target_new": {"str": " French "}}},
}


@pytest.mark.parametrize("said", BAD)
def test_bad_records_are_left_out_and_counted(tmp_path, said):
    path = tmp_path / "cf.json"
    path.write_text(json.dumps([RECORD | BAD[said], RECORD, {}]), encoding="utf-8-sig")
    with pytest.warns(UserWarning, match="cf.json: 2 of 3 records left out: record 0") as told:
        (request,) = read_counterfact(path)
    assert request.subject == "Danielle Darrieux" and said.removeprefix("record 0: ") in str(told[0].message)


def test_records_need_no_more_than_a_rewrite_and_lose_their_spaces(tmp_path):
    path = tmp_path / "cf.json"
    rewrite = {key: REWRITE[key] for key in ("target_new", "target_true")}
    rewrite |= {"subject": " Danielle Darrieux ", "prompt": "The mother tongue of {} is "}
    path.write_text(json.dumps([{"requested_rewrite": rewrite}]), encoding="utf-8")
    (request,) = read_counterfact(path)
    assert request.text == "The mother tongue of Danielle Darrieux is" and request.relation == ""
    assert request.paraphrases == request.neighbours == ()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", " ", "{}", "{} is", "\ud800"])
KEYS = st.sampled_from([*RECORD, *REWRITE, "str"])
JSON = st.recursive(SCALARS, lambda x: st.lists(x, max_size=2) | st.dictionaries(KEYS, x, max_size=4), max_leaves=9)
RECORDS = st.lists(st.dictionaries(KEYS, JSON, max_size=3).map(lambda odd: RECORD | odd) | JSON, max_size=3)


@settings(max_examples=100, deadline=2000, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=30) | (JSON | RECORDS).map(lambda raw: json.dumps(raw).encode()))
def test_whatever_a_file_holds_is_read_or_named(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert all(request.text for request in read_counterfact(path))
    except ValueError as error:
        assert "any.json" in str(error)


def test_bad_inputs(atlas, tmp_path):
    with pytest.raises(FileNotFoundError, match="CounterFact"):
        read_counterfact(tmp_path / "none.json")
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
