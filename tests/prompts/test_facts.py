"""Known facts say their answers as far as it matters, pairs of facts compare two, and odd questions are refused."""

import json

import pytest
from small_models import Parrot

from helpers import read_relation, relation_pairs
from helpers.prompts import facts as module
from helpers.prompts.facts import TooFewPairs, known_facts, known_relations, split_of
from helpers.prompts.relations import Fact, Relation

COUNTRIES = "France Poland Spain Italy Japan China Egypt Kenya Peru Chile Cuba India Iran Iraq Norway Sweden".split()
WORDS = "red green blue white black brown grey pink".split()


def of(*samples, template="The word {} means") -> Relation:
    return Relation("own", "own", "own", (template,), tuple(Fact("own", *sample) for sample in samples))


@pytest.mark.parametrize(
    "said, known",
    [
        ({"France": "emu", "Spain": "emu", "Italy": "New Delhi"}, ["France"]),  # both begin with a lone space
        ({"Italy": "New York", "Poland": "New York", "Spain": "iguana"}, ["Spain", "Italy"]),
        ({"Japan": "Guinea Bissau", "Poland": "New Delhi"}, ["Poland"]),
        ({"Japan": "Guinea"}, ["Japan"]),
    ],
)
def test_known_facts_say_what_no_other_answer_begins_with(atlas, monkeypatch, said, known):
    asked = of(
        ("France", "emu"), ("Spain", "iguana"), ("Italy", "New York"), ("Poland", "New Delhi"), ("Japan", "Guinea"),
        ("China", "Guinea Bissau"),
    )  # fmt: skip
    told = {f"The word {subject} means": f" {answer}." for subject, answer in said.items()}
    monkeypatch.setattr(module, "read_network", lambda model: Parrot(atlas.tokenizer, told))
    assert [fact.subject for fact in known_facts(atlas, asked)] == known
    alone = [fact for fact in asked.facts if known_facts(atlas, asked, [fact], 0)]
    assert [fact.subject for fact in alone] == known, "among the relation's answers, whoever is asked"


def test_partners_are_other_subjects_with_other_answers(atlas):
    """Two answers a subject, one of them shared: neither is a partner's wrong answer."""
    samples = [(c, w) for n, c in enumerate(COUNTRIES) for w in ("gold", WORDS[n % len(WORDS)])]
    right = set(samples)
    pairs = relation_pairs(atlas, of(*samples), 12, known=False)
    for clean, corrupt, answer, wrong in zip(pairs.clean, pairs.corrupt, pairs.answers, pairs.wrong, strict=True):
        one, other = (text.removeprefix("The word ").removesuffix(" means") for text in (clean, corrupt))
        assert one != other and (one, answer.strip()) in right and (other, wrong.strip()) in right
        assert (one, wrong.strip()) not in right and (other, answer.strip()) not in right


@pytest.mark.parametrize(
    "template, tokens",
    [
        ("In reading of France about {}, we find", " {}"),
        ("{} is called France:", "{}"),
        ("the Mc{}s are", "Mc{}s"),
        ("People say '{}' for", "{}"),
        ("People in {}'s towns are", "{}"),
    ],
)
def test_the_subject_is_the_place_of_the_template(atlas, tmp_path, template, tokens):
    samples = [{"subject": c, "object": WORDS[n % len(WORDS)]} for n, c in enumerate([*COUNTRIES, "Reading"])]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "own", "prompt_templates": [template], "samples": samples}), encoding="utf-8")
    asked = read_relation(path)
    facts, couples = module._couples(atlas, asked, 0, "train", 0, False)
    assert len(couples) >= 2
    pairs = relation_pairs(atlas, asked, len(couples), known=False)
    for text, ids, span, (fact, _) in zip(pairs.clean, pairs.clean_ids, pairs.subjects, couples, strict=True):
        assert text == asked.prompt(fact)
        before = atlas.tokenizer.decode(ids[1 : span.start]).strip()
        assert fact.subject in atlas.tokenizer.decode(ids[span]) and len(before) <= len(template.split("{}")[0])
        assert len(atlas.tokenizer.decode(ids[span]).strip()) <= len(tokens.replace("{}", fact.subject))


def test_answers_whose_first_token_says_nothing_make_no_pairs(atlas):
    lone = [(c, a) for c, a in zip(COUNTRIES, ["emu", "iguana", "imam", "erbium"] * 4, strict=True)]
    with pytest.raises(TooFewPairs, match="own has 0 pairs of 0 facts"):
        relation_pairs(atlas, of(*lone), 1, known=False)
    mixed = lone[:8] + [(c, w) for c, w in zip(COUNTRIES[8:], WORDS, strict=True)]
    facts, couples = module._couples(atlas, of(*mixed), 0, "train", 0, False)
    assert couples and all(fact.answer in WORDS for couple in couples for fact in couple)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n": -1}, "n has to be greater than or equal to 1, not -1"),
        ({"n": 0}, "n has to be greater"),
        ({"n": 2.5}, "n has to be a whole number, not 2.5"),
        ({"n": True}, "n has to be a whole number"),
        ({"n": "3"}, "n has to be a whole number"),
        ({"n": None}, "n has to be a whole number"),
        ({"paraphrase": 9}, "country_capital has paraphrases 0 to 7, not 9"),
        ({"paraphrase": -1}, "paraphrase has to be greater than or equal to 0"),
        ({"paraphrase": 0.5}, "paraphrase has to be a whole number"),
        ({"seed": 0.5}, "seed has to be a whole number"),
        ({"split": "dev"}, "split has to be 'train' or 'test'"),
        ({"known": "no"}, "known has to be a valid boolean"),
        ({"relation_or_name": "country_capitol"}, "unknown relation 'country_capitol'; choose from"),
        ({"relation_or_name": None}, "relation_pairs: relation_or_name"),
        ({"model": None}, "model has to be a model that load_model gave"),
        ({"model": "atlas"}, "model has to be a model that load_model gave"),
    ],
)
def test_odd_questions_are_refused(atlas, options, message):
    with pytest.raises(ValueError, match=message):
        relation_pairs(**{"model": atlas, "relation_or_name": "country_capital", "n": 3} | options)


@pytest.mark.parametrize(
    "names, n, message",
    [
        (["country_capital", "capitals"], 3, "unknown relation 'capitals'"),
        ("country_capital", 3, "known_relations: names"),
        (["country_capital"], 0, "n has to be greater"),
        (["country_capital"], 10**9, "knows none of country_capital well enough"),
        ([], 3, "known_relations: names"),
    ],
)
def test_a_misspelt_relation_never_vanishes(atlas, names, n, message):
    with pytest.raises(ValueError, match=message):
        known_relations(atlas, names, n)


def test_one_subject_that_is_too_long_does_not_spoil_its_relation(atlas):
    samples = [(c, WORDS[n % len(WORDS)]) for n, c in enumerate(COUNTRIES)]
    long = ("very " * atlas.cfg.n_ctx + "long", "gold")
    assert known_facts(atlas, of(long, *samples)) == known_facts(atlas, of(*samples))
    plain = relation_pairs(atlas, of(*samples), 3, known=False)
    assert relation_pairs(atlas, of(*samples, long), 3, known=False).clean == plain.clean


def test_halves_are_of_subjects():
    assert len({split_of(Fact("own", "France", answer)) for answer in WORDS}) == 1
