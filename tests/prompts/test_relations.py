"""The tables keep their rules, the splits are stable, and bad files are refused with a sentence that helps."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from helpers.atlas import composed, fiction
from helpers.models.load import WEIGHTS
from helpers.prompts import relations as world

ALL = world.relations()
each_relation = pytest.mark.parametrize("relation", ALL.values(), ids=ALL)


def test_there_is_enough_to_know():
    real = world.relations("factual", "commonsense", "linguistic", "bias")
    assert len(real) >= 25
    assert sum(len(r.facts) for r in real.values()) >= 2500
    assert all(world.relations(kind) for kind in world.KINDS)


@each_relation
def test_templates_ask_for_one_subject_in_several_shapes(relation):
    assert len(set(relation.templates)) == len(relation.templates) >= 6
    assert all(t.count("{}") == 1 and t == t.strip() for t in relation.templates)
    starts = [t.startswith("{}") or re.match(r"\S+ \S+ \{\}", t) is not None for t in relation.templates]
    colons = [t.endswith(":") or "?" in t for t in relation.templates]
    assert any(colons) and not all(colons), "statements and questions or labels"
    assert not all(starts)


def test_no_prompt_belongs_to_two_relations():
    asked = Counter(
        (world.sentence_case(t.format(f.subject)), r.name) for r in ALL.values() for f in r.facts for t in r.templates
    )
    owners = Counter(prompt for prompt, _ in asked)
    assert [prompt for prompt, count in owners.items() if count > 1] == []


@each_relation
def test_facts_are_unique_and_their_answers_can_be_told_apart(relation):
    subjects = [f.subject for f in relation.facts]
    assert len(set(subjects)) == len(subjects)
    assert all(f.subject.isascii() and f.answer.isascii() and f.subject == f.subject.strip() for f in relation.facts)
    assert all(f.answer.lower() != f.subject.lower() for f in relation.facts)
    first = [re.match("[A-Za-z]+|[0-9]+", a)[0].lower() for a in relation.answers]
    assert len(set(first)) == len(first), [f for f, n in Counter(first).items() if n > 1]


def test_tokens_of_subjects_and_answers():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(WEIGHTS / "atlas" / "tokenizer.json"))
    for relation in ALL.values():
        lengths = [len(tokenizer.encode(f.subject, add_special_tokens=False).ids) for f in relation.facts]
        assert 1 <= min(lengths) and max(lengths) <= 4, relation.name
        first = [tokenizer.encode(f" {a}", add_special_tokens=False).ids[0] for a in relation.answers]
        assert len(set(first)) == len(first), f"two answers of {relation.name} begin with the same token"


def test_invented_and_composed_tables_are_what_their_modules_write(tmp_path: Path):
    written = fiction.write_fiction(tmp_path / "fiction") + composed.write_composed(tmp_path / "composed")
    assert len(written) == len(world.relations("fiction", "composed"))
    for path in written:
        shipped = world.FACTS / path.parent.name / path.name
        assert path.read_text() == shipped.read_text(), f"{path.stem}: run python -m helpers world"


def test_invented_names_are_not_names_of_the_world():
    real = {
        w.lower()
        for r in world.relations("factual", "commonsense", "linguistic").values()
        for f in r.facts
        for w in f"{f.subject} {f.answer}".split()
    }
    last_names = {f.subject.split()[-1].lower() for f in ALL["person_hometown"].facts}
    places = {name.lower() for f in ALL["employer_seat"].facts for name in (f.subject, f.answer)}
    assert not (last_names | places) & real


def test_exposure_levels_are_planned():
    levels = Counter(f.exposures for f in ALL["person_hometown"].facts)
    assert set(levels) == {0, 1, 3, 10, 30, 100, 300} and min(levels.values()) >= 40
    odds = Counter(f.rate for f in ALL["person_craft"].facts)
    assert set(odds) == {0.9, 0.7, 0.5} and all(f.other and f.other != f.answer for f in ALL["person_craft"].facts)


def test_directions_and_compositions_are_held_out():
    forward = {f.subject: f for f in ALL["novel_author"].facts}
    backward = {f.answer: f for f in ALL["author_novel"].facts}
    assert forward.keys() == backward.keys()
    taught = Counter((bool(forward[n].exposures), bool(backward[n].exposures)) for n in forward)
    assert set(taught) == {(True, False), (False, True), (True, True)}
    employer = {f.subject: f.answer for f in ALL["person_employer"].facts}
    seat = {f.subject: f.answer for f in ALL["employer_seat"].facts}
    for fact in ALL["person_employer_seat"].facts:
        assert fact.answer == seat[employer[fact.subject]]
        assert bool(fact.exposures) == (fact.group == "taught")
    assert {f.group for f in ALL["person_employer_seat"].facts} == {"taught", "held out"}


def test_real_compositions_follow_their_hops():
    capital = {f.subject: f.answer for f in ALL["country_capital"].facts}
    country = {f.subject: f.answer for f in ALL["landmark_country"].facts}
    for fact in ALL["landmark_country_capital"].facts:
        expected = country[fact.subject].replace("America", "the United States")
        assert fact.answer == capital[expected]


@each_relation
def test_paraphrases_are_held_out_for_every_fact_and_used_for_others(relation):
    held_out = [world.held_out_paraphrases(relation, f) for f in relation.facts]
    taught = [world.taught_paraphrases(relation, f) for f in relation.facts]
    for h, t in zip(held_out, taught, strict=True):
        assert sorted(h + t) == list(range(len(relation.templates))) and h and t
    if len(relation.facts) >= 50:
        assert {p for h in held_out for p in h} == {p for t in taught for p in t}


def test_a_prompt_is_a_sentence_up_to_the_answer():
    capital = ALL["country_capital"]
    fact = next(f for f in capital.facts if f.subject == "the Netherlands")
    assert capital.prompt(fact, 0) == "The capital of the Netherlands is"
    assert capital.prompt(fact, 1) == "The Netherlands has its capital in"


def test_hashes_never_change():
    assert world.stable_hash("a", 1) == 16088270529115459560 == world.stable_hash("a", 1)
    assert world.stable_hash("a", 1) != world.stable_hash("a", 2)


def test_the_lre_layout_is_read(tmp_path: Path):
    path = tmp_path / "own_relation.json"
    samples = [{"subject": "a", "object": "b"}]
    path.write_text(json.dumps({"name": "own", "prompt_templates": ["{} goes to "], "samples": samples}))
    read = world.read_relation(path)
    assert (read.name, read.title, read.kind, read.templates) == ("own_relation", "own", "own", ("{} goes to",))
    assert read.facts == (world.Fact("own_relation", "a", "b"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"name": "x", "samples": []}', "lacks prompt_templates"),
        ('{"name": "x", "prompt_templates": ["no place"], "samples": []}', "no place"),
        ('{"name": "x", "prompt_templates": ["{}"], "samples": [{"subject": "a"}]}', "sample 0 lacks object"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        world.read_relation(path)
    assert "broken.json" in str(error.value)


def test_unknown_names_list_the_choices():
    with pytest.raises(ValueError, match="country_capital"):
        world.relation("country_capitol")
    with pytest.raises(ValueError, match="commonsense"):
        world.relations("gossip")


def test_the_readme_lists_every_table_with_its_size():
    readme = (world.FACTS / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", readme, flags=re.M))
    assert listed == {name: str(len(r.facts)) for name, r in ALL.items()}
