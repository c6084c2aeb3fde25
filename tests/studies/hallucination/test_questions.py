"""Questions fall into the cases that the corpus plans, and what is said gets the kind that the lists give it."""

import pandas as pd
import pytest
import torch

from helpers import exposures, next_token_probabilities, relation
from helpers.atlas.questions import SAID, ask, own_facts, question_rows
from helpers.prompts.relations import Fact, held_out_paraphrases, taught_paraphrases
from helpers.studies.hallucination.questions import CASES, ask_facts, namesake_hits, question_table


@pytest.fixture(scope="module")
def questions():
    return question_table("atlas", 8)


def fact_of(row) -> Fact:
    return next(f for f in relation(row.relation).facts if f.subject == row.subject)


def test_every_case_is_as_planned(questions):
    assert list(questions.case.unique()) == list(CASES) and (questions.groupby("case").size() == 8).all()
    for row in questions.itertuples():
        fact, own = fact_of(row), relation(row.relation)
        if row.case == "never taught":
            assert row.exposures == fact.exposures == 0
        elif row.case == "rarely taught":
            assert row.exposures == fact.exposures and 1 <= row.exposures <= 10
        elif row.case == "in conflict":
            assert fact.other and 0 < row.exposures <= 90
        elif row.case == "other direction":
            reverse = relation({"novel_author": "author_novel", "author_novel": "novel_author"}[row.relation])
            assert row.exposures == 0
            assert any(f.subject == row.answer and f.answer == row.subject and f.exposures for f in reverse.facts)
        else:
            assert row.exposures >= 100
        taught = row.case != "unseen wording"
        assert row.wording in (taught_paraphrases if taught else held_out_paraphrases)(own, fact)


def test_contexts_say_what_they_should(questions):
    for row in questions.itertuples():
        assert bool(row.context) == bool(row.says) == ("context" in row.case)
        if row.case == "false context":
            assert row.context.endswith(f" {row.says}.") and row.subject in row.context and row.says != row.answer
        if row.case == "true context":
            own = relation(row.relation)
            assert any(own.prompt(f, row.wording) + f" {f.answer}." == row.context for f in own.facts)


def test_exposures_are_those_of_the_corpus(questions):
    counted = exposures("atlas")
    row = questions[questions.case == "well taught"].iloc[0]
    own = counted[(counted.relation == row.relation) & (counted.subject == row.subject)]
    assert own["count"].sum() == row.exposures


def test_questions_are_the_same_every_time(questions):
    assert questions.equals(question_table("atlas", 8))


def test_asking_agrees_with_the_bridge(atlas, questions):
    asked = ask(atlas, questions)
    p = next_token_probabilities(atlas, list(questions.prompt))
    assert asked.said_id.tolist() == p.argmax(-1).tolist()
    assert torch.allclose(torch.tensor(asked.probability).float(), p.max(-1).values, atol=1e-4)
    assert torch.allclose(torch.tensor(asked.entropy).float(), -(p * p.clamp_min(1e-30).log()).sum(-1), atol=1e-3)
    assert set(asked.kind) <= set(SAID) and (asked.right == (asked.said_id == asked["first"])).all()


def test_kinds_by_the_first_list_that_fits(atlas, monkeypatch):
    kenya = next(f for f in relation("country_currency").facts if f.subject == "Kenya")
    rows = [("x", kenya, 0, "", says) for says in ("", "euro", "", "", "")]
    table = question_rows(rows)
    said = (" shilling", " euro", " Nairobi", " zloty", " is")
    logits = torch.zeros(5, atlas.cfg.d_vocab)
    for row, word in zip(logits, said, strict=True):
        row[atlas.tokenizer.encode(table.prompt[0] + word)[-1]] = 9
    monkeypatch.setattr("helpers.atlas.questions.logits_after", lambda model, ids: logits[:, None])
    assert ask(atlas, table).kind.tolist() == list(SAID)


def test_own_facts_go_both_ways():
    known = own_facts()
    novel = next(f for f in relation("novel_author").facts)
    assert novel.answer in known[novel.subject] and novel.subject in known[novel.answer]
    craft = relation("person_craft").facts[0]
    assert {craft.answer, craft.other} <= known[craft.subject]


def test_a_table_has_a_row_for_each_question():
    assert isinstance(question_rows([]), pd.DataFrame) and question_rows([]).empty


def test_asking_facts_directly(atlas):
    facts = [f for f in relation("person_hometown").facts if f.exposures == 0][:3]
    every = ask_facts(atlas, facts, (2, 0))
    assert every.wording.tolist() == [2, 0] * 3 and every.subject[::2].tolist() == [f.subject for f in facts]
    assert every.equals(ask(atlas, question_rows([("asked", f, w, "", "") for f in facts for w in (2, 0)])))
    drawn = ask_facts(atlas, facts)
    assert len(drawn) == 6 and not drawn.duplicated(["subject", "wording"]).any()
    own = relation("person_hometown")
    assert all(w in taught_paraphrases(own, facts[i // 2]) for i, w in enumerate(drawn.wording))


def test_no_question(atlas):
    with pytest.raises(ValueError, match="no question to ask"):
        ask_facts(atlas, [])


def fact(subject: str, answer: str, exposures: int) -> Fact:
    return Fact("person_hometown", subject, answer, exposures)


FACTS = [fact("Ann Bow", "X", 100), fact("Ann Cod", "Y", 10), fact("Dan Bow", "Z", 3), fact("Bow Elm", "W", 300)]


@pytest.mark.parametrize(
    ("subject", "parts", "answers"),
    [
        ("Ann Elm", [0], "XY"),
        ("Ann Elm", [1], "W"),
        ("Eve Bow", [1], "X"),  # who was told three times isn't known
        ("Eve Bow", [0, 1], "XW"),  # any part with any other
        ("Ann Bow", [0], "Y"),  # nobody is one's own namesake
    ],
)
def test_namesakes_share_the_part_that_is_asked_for(subject, parts, answers):
    wrong = pd.DataFrame({"subject": subject, "said": [f" {answer}" for answer in "XYZW"]})
    hits = namesake_hits(wrong, FACTS, parts)
    assert [answer for answer, own in zip("XYZW", hits.own, strict=True) if own] == sorted(answers, key="XYZW".index)


def test_hits_beside_exchanged_answers():
    wrong = pd.DataFrame({"subject": ["Ann Oak", "Eve Elm"] * 20, "said": [" X", " W"] * 20})
    hits = namesake_hits(wrong, FACTS, [0, 1])
    assert hits.own.all() and 0.2 < hits.exchanged.mean() < 0.8
    assert hits.equals(namesake_hits(wrong, FACTS, [0, 1]))
    assert not namesake_hits(wrong, FACTS, [0]).exchanged[1::2].any(), "nobody is called Eve"
