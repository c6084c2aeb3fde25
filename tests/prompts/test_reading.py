"""Readers' own relations: the LRE data set's kinds are read, what can't be asked is counted, bad files are named."""

import json
import os
import warnings
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import files, read_relation, relation

ONE = {"subject": "France", "object": "Paris"}


def write(folder, raw, name="mine.json"):
    path = folder / name
    path.write_bytes(raw if isinstance(raw, bytes) else json.dumps(raw).encode())
    return path


def table(*samples, templates=("The capital of {} is",), **more):
    return {"name": "mine", "prompt_templates": list(templates), "samples": list(samples) or [ONE], **more}


LRE = {  # made up in the layout of each kind: template, subject, object, prompt
    "factual/city_in_country": ("{} is part of the country of", "New York City", "United States", None),
    "factual/person_native_language": ("The mother tongue of {} is", "Thomas Joannes Stieltjes", "Dutch", None),
    "factual/person_plays_instrument": ("{} plays the", "Dizzy Gillespie", "trumpet", None),
    "factual/product_by_company": ("{} was made by", "iPhone 4S", "Apple", "iPhone 4S was made by"),
    "factual/star_constellation": ("{} is in the constellation called", "α Centauri", "Centaurus", None),
    "factual/superhero_person": ("{}'s real name is", "Spider-Man 2099", "Miguel O'Hara", None),
    "factual/presidents_election_year": ("{} was elected in", "Franklin D. Roosevelt", "1932", None),
    "commonsense/substance_phase": ("At room temperature, {} is a", "water", "liquid", None),
    "commonsense/task_done_by_tool": ("for {}, you use a", "cutting 2x4s", "saw", "For cutting 2x4s, you use a"),
    "commonsense/work_location": ("Where does {} work? In a", "a nurse", "hospital", None),
    "linguistic/adj_antonym": ("{} is the opposite of", "hot", "cold", "hot is the opposite of"),
    "linguistic/word_first_letter": ('"{}" begins with the letter', "élan", "e", None),
    "linguistic/verb_past_tense": ("The past tense of {} is", "run", "ran", None),
    "bias/name_religion": ("People named {} are mostly", "Mohammed", "Muslim", None),
    "bias/occupation_age": ("{} are usually", "flight attendants", "young", "flight attendants are usually"),
}


@pytest.mark.parametrize("name", LRE)
def test_the_kinds_of_the_lre_data_set_are_read(tmp_path, name):
    template, subject, answer, prompt = LRE[name]
    kind, name = name.split("/")
    properties = {"relation_type": kind, "domain_name": "x", "range_name": "y", "symmetric": False}
    raw = table({"subject": subject, "object": answer}, templates=[f" {template} "], properties=properties)
    raw["prompt_templates_zs"] = ["Not asked: {} is"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_relation(write(tmp_path, raw, f"{name}.json"))
    (fact,) = read.facts
    assert (read.name, read.templates, read.left_out) == (name, (template,), ())
    assert (fact.subject, fact.answer) == (subject, answer)
    text = read.prompt(fact)
    assert text == (prompt or template.replace("{}", subject)) and text[read.place(fact)] == subject


def test_the_books_own_tables_begin_their_prompts_in_upper_case(tmp_path):
    for name, text in (("product_company", "IPhone"), ("country_capital", "The Bahamas"), ("element_symbol", "Iron")):
        asked = relation(name)
        fact = next(f for f in asked.facts if f.subject.lower() == text.lower())
        at_the_start = next(n for n, template in enumerate(asked.templates) if template.startswith("{}"))
        assert asked.prompt(fact, at_the_start).startswith(f"{text} ")
        assert replace(asked, capitals=False).prompt(fact, at_the_start).startswith(f"{fact.subject} ")


def test_bad_rows_are_left_out_and_counted(tmp_path):
    bad = {
        "object has to be a valid string: 26 (int)": {"subject": "iron", "object": 26},
        "object has to be a valid string: list": {"subject": "Bolivia", "object": ["La Paz", "Sucre"]},
        "subject has to be a valid string: NoneType": {"subject": None, "object": "x"},
        "subject has to have at least 1 character": {"subject": " ", "object": "x"},
        "lacks object": {"subject": "Spain"},
        "has to be an object with keys, not a str": "Spain: Madrid",
        "rate has to be less than or equal to 1: 1.5": ONE | {"rate": 1.5},
        "exposures has to be a whole number": ONE | {"exposures": 0.5},
        "object has to be a valid string, unable to parse": {"subject": "x", "object": "\ud800"},
        "repeats sample 0": {"subject": " France", "object": "Paris "},
    }
    two = [{"subject": "Bolivia", "object": "La Paz"}, {"subject": "Bolivia", "object": "Sucre"}]
    path = write(tmp_path, table(ONE, *bad.values(), *two))
    with pytest.warns(UserWarning, match=r"mine.json: 10 of 13 samples left out: sample 1: object has to be"):
        read = read_relation(path)
    assert [(f.subject, f.answer) for f in read.facts] == [
        ("France", "Paris"),
        ("Bolivia", "La Paz"),
        ("Bolivia", "Sucre"),
    ]
    for number, (said, left_out) in enumerate(zip(bad, read.left_out, strict=True), 1):
        assert left_out.startswith(f"sample {number}") and said in left_out


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{}", "not UTF-8 .*save it as UTF-8"),
        ("café".encode("latin-1"), "not UTF-8"),
        (b"[" * 10**5, "not valid JSON"),
        (b'{"name": ' + b"1" * 5000 + b"}", "not valid JSON"),
        ([], "has to be an object with keys, not a list"),
        ({"samples": [ONE]}, "lacks name"),
        ({"name": "x", "samples": [ONE]}, "lacks prompt_templates"),
        (table(templates=[]), "lacks prompt_templates"),
        ({"name": "x", "prompt_templates": ["{}"]}, "lacks samples"),
        (table() | {"samples": []}, "has no sample that can be used"),
        (table(5, {}), "has no sample that can be used: sample 0 has to be an object"),
        (table() | {"samples": {"France": "Paris"}}, "samples has to be a valid list: dict"),
        (table() | {"samples": "France"}, "samples has to be a valid list: 'France'"),
        (table() | {"prompt_templates": "The capital of {} is"}, "prompt_templates has to be a valid list"),
        (table(templates=[None]), "prompt_templates.0 has to be a valid string"),
        (table() | {"name": 7}, "name has to be a valid string: 7"),
        (table(properties=[]), "properties has to be a valid dictionary"),
        (table(templates=["{country} {}"]), "exactly once, and no other braces: '{country} {}'"),
        (table(templates=["{} is {}"]), "exactly once"),
        (table(templates=["the capital is"]), "exactly once"),
        (table(templates=["{0} is"]), "exactly once"),
    ],
)
def test_bad_files_are_named_with_what_to_mend(tmp_path, raw, message):
    with pytest.raises(ValueError, match=rf"mine.json.*{message}"):
        read_relation(write(tmp_path, raw))


def test_what_else_a_path_can_be(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(table()).encode())
    assert read_relation("~/mine.json") == read_relation(path) == read_relation(str(path))
    for bad, said in (("none.json", "none.json is missing"), ("", "is a folder"), ("x" * 5000, "is missing")):
        with pytest.raises(FileNotFoundError, match=f"{said}; give the path of a relation"):
            read_relation(tmp_path / bad)
    for odd in (None, 5, b"mine.json", [path]):
        with pytest.raises(ValueError, match="read_relation: path"):
            read_relation(odd)
    os.truncate(path, 2 * files.MOST_BYTES)
    with pytest.raises(ValueError, match="mine.json is larger than 1024 MiB"):
        read_relation(path)


def test_zero_shot_templates_stand_in_and_wordings_count_once(tmp_path):
    raw = table(templates=[], prompt_templates_zs=["Capital of {}:", "Capital of {}: ", "The capital of {} is"])
    assert read_relation(write(tmp_path, raw)).templates == ("Capital of {}:", "The capital of {} is")


def test_a_paraphrase_that_is_not_there_is_refused():
    capitals = relation("country_capital")
    for odd in (8, -1, 0.5, None):
        with pytest.raises(ValueError, match="country_capital has paraphrases 0 to 7, not"):
            capitals.prompt(capitals.facts[0], odd)
    for odd in (None, 5, ["country_capital"]):
        with pytest.raises(ValueError, match="relation: name"):
            relation(odd)


TEXTS = st.text(max_size=6) | st.sampled_from(["{}", "{} is", "{x} {}", "\ud800"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
KEYS = "name prompt_templates prompt_templates_zs samples properties kind subject object exposures rate group other"
JSON = st.recursive(
    SCALARS,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), x, max_size=5),
    max_leaves=12,
)
TABLES = st.fixed_dictionaries(
    {"name": TEXTS, "prompt_templates": st.lists(TEXTS, max_size=2), "samples": st.lists(JSON, max_size=3)},
    optional={"properties": JSON},
)


@settings(max_examples=150, deadline=2000, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=40) | (JSON | TABLES).map(lambda raw: json.dumps(raw).encode()))
def test_whatever_a_file_holds_is_read_or_named(tmp_path_factory, raw):
    path = write(tmp_path_factory.getbasetemp(), raw, "any.json")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = read_relation(path)
    except ValueError as error:
        assert "any.json" in str(error)
    else:
        assert read.facts and all(read.prompt(fact) for fact in read.facts)
