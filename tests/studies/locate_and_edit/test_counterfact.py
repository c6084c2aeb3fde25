"""Files in CounterFact's layout are read; whatever isn't a request is left out, counted and named."""

import json
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.studies.locate_and_edit.counterfact import read_counterfact

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


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="CounterFact"):
        read_counterfact(tmp_path / "none.json")
