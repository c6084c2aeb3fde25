"""Questions fall into the cases that the corpus plans, and are the same in a table and for a look inside."""

import pytest
import torch

from helpers import exposures, next_token_probabilities, relation
from helpers.atlas.questions import SAID, ask, own_facts, question_rows, states, subject_spans
from helpers.models.predict import prompt_ids
from helpers.prompts.relations import Fact, taught_paraphrases
from helpers.studies.hallucination.questions import CASES, ask_facts, fact_questions, question_table


@pytest.fixture(scope="module")
def questions():
    return question_table("atlas2", 8)


def fact_of(row) -> Fact:
    return next(f for f in relation(row.relation).facts if f.subject == row.subject)


def test_every_case_is_as_planned(questions):
    assert list(questions.case.unique()) == list(CASES) and (questions.groupby("case").size() == 8).all()
    for row in questions.itertuples():
        fact = fact_of(row)
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
        assert row.wording in taught_paraphrases(relation(row.relation), fact) and not row.context


def test_exposures_are_those_of_the_corpus(questions):
    counted = exposures("atlas2")
    row = questions[questions.case == "well taught"].iloc[0]
    own = counted[(counted.relation == row.relation) & (counted.subject == row.subject)]
    assert own["count"].sum() == row.exposures


def test_questions_are_the_same_every_time(questions):
    assert questions.equals(question_table("atlas2", 8))


def test_asking_agrees_with_the_bridge(atlas2, questions):
    asked = ask(atlas2, questions)
    p = next_token_probabilities(atlas2, list(questions.prompt))
    assert asked.said_id.tolist() == p.argmax(-1).tolist()
    assert torch.allclose(torch.tensor(asked.probability).float(), p.max(-1).values, atol=1e-4)
    assert torch.allclose(torch.tensor(asked.entropy).float(), -(p * p.clamp_min(1e-30).log()).sum(-1), atol=1e-3)
    assert set(asked.kind) <= set(SAID) and (asked.right == (asked.said_id == asked["first"])).all()


def test_kinds_by_the_first_list_that_fits(atlas2, monkeypatch):
    kenya = next(f for f in relation("country_currency").facts if f.subject == "Kenya")
    rows = [("x", kenya, 0, "", says) for says in ("", "euro", "", "", "")]
    table = question_rows(rows, "atlas2")
    said = (" shilling", " euro", " Nairobi", " zloty", " is")
    logits = torch.zeros(5, atlas2.cfg.d_vocab)
    for row, word in zip(logits, said, strict=True):
        row[atlas2.tokenizer.encode(table.prompt[0] + word)[-1]] = 9
    monkeypatch.setattr("helpers.atlas.questions.logits_after", lambda model, ids: logits[:, None])
    assert ask(atlas2, table).kind.tolist() == list(SAID)


def test_own_facts_go_both_ways():
    known = own_facts()
    novel = next(f for f in relation("novel_author").facts)
    assert novel.answer in known[novel.subject] and novel.subject in known[novel.answer]
    craft = relation("person_craft").facts[0]
    assert {craft.answer, craft.other} <= known[craft.subject]


def test_asking_facts_directly(atlas2):
    facts = [f for f in relation("person_hometown").facts if f.exposures == 0][:3]
    every = ask_facts(atlas2, facts, (2, 0))
    assert every.wording.tolist() == [2, 0] * 3 and every.subject[::2].tolist() == [f.subject for f in facts]
    rows = question_rows([("asked", f, w, "", "") for f in facts for w in (2, 0)], "atlas2")
    assert every.equals(ask(atlas2, rows))
    drawn = ask_facts(atlas2, facts)
    assert len(drawn) == 6 and not drawn.duplicated(["subject", "wording"]).any()
    own = relation("person_hometown")
    assert all(w in taught_paraphrases(own, facts[i // 2]) for i, w in enumerate(drawn.wording))


def test_no_question(atlas2):
    with pytest.raises(ValueError, match="no question to ask"):
        ask(atlas2, question_rows([], "atlas2"))


def test_questions_to_look_into_are_those_of_the_table(atlas2):
    facts = relation("person_hometown").facts[:5]
    table, asked = ask_facts(atlas2, facts, (0, 3)), fact_questions(atlas2, facts, (0, 3))
    assert [question.prompt for question in asked] == table.prompt.tolist()
    assert [question.accepted[0] for question in asked] == table["first"].tolist()
    assert [question.subject for question in asked] == subject_spans(atlas2.tokenizer, table)
    assert all(set(q.others) | {q.accepted[0]} == set(q.members) and q.accepted[0] not in q.others for q in asked)


def test_states_are_the_bridges(atlas2):
    some = ask_facts(atlas2, relation("person_hometown").facts[:2], (0,))
    found = states(atlas2, some, "subject_last")
    for i, prompt in enumerate(some.prompt):
        _, cache = atlas2.run_with_cache(atlas2.to_tokens(prompt))
        at = subject_spans(atlas2.tokenizer, some.iloc[[i]])[0].stop - 1
        own = cache["blocks.5.hook_resid_post"][0, at]
        assert torch.allclose(found[12, i], own, atol=1e-3)
    with pytest.raises(ValueError, match="choose last or subject_last"):
        states(atlas2, some, "first")


def test_the_subject_is_that_of_the_question_and_not_of_its_context(atlas2):
    fact = relation("country_currency").facts[0]
    before = f"{relation('country_currency').prompt(fact, 2)} euro."
    table = question_rows([("x", fact, 0, "", ""), ("x", fact, 0, before, "euro")], "atlas2")
    plain, told = subject_spans(atlas2.tokenizer, table)
    ids = prompt_ids(atlas2.tokenizer, table.prompt[1])
    assert atlas2.tokenizer.decode(ids[told]).strip() == fact.subject and told.start > plain.start
