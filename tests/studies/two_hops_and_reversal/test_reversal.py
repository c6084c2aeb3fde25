"""Reversed questions: the case follows from the exposures; standings within a case, by hand."""

import pytest

from helpers.atlas.questions import ask
from helpers.models.predict import logits_after, prompt_ids
from helpers.studies.two_hops_and_reversal.reversal import WAYS, answer_percentiles, reversal_questions


@pytest.fixture(scope="module")
def questions():
    return reversal_questions("atlas", wordings=(0,))


def test_cases_follow_from_the_exposures(questions):
    assert set(questions.case) == set(WAYS)
    assert ((questions.exposures == 0) == (questions.case == WAYS[2])).all()
    novels = questions[questions.relation == "novel_author"]
    assert novels.case.value_counts().tolist() == [30, 30, 30]
    backwards = questions[questions.relation == "author_novel"].set_index("answer").case
    swap = {WAYS[0]: WAYS[0], WAYS[1]: WAYS[2], WAYS[2]: WAYS[1]}
    assert all(backwards[row.subject] == swap[row.case] for row in novels.itertuples())
    capitals = questions[questions.relation.isin(["country_capital", "capital_country"])]
    assert set(capitals.case) == {WAYS[0]}


def test_standings_by_hand(atlas, questions):
    some = ask(atlas, questions[(questions.relation == "novel_author") & (questions.case == WAYS[2])].head(6))
    table = answer_percentiles(atlas, some)
    assert len(table) == 6 * 13 and table.standing.between(0, 1).all()
    logits, own = (
        logits_after(atlas, [prompt_ids(atlas.tokenizer, p) for p in some.prompt])[:, 0],
        some["first"].iloc[0],
    )
    others = [word for word in set(some["first"]) if word != own]
    by_hand = sum(bool(logits[0, own] > logits[0, word]) for word in others) / len(others)
    end = table[(table.question == 0) & (table.behind == "m5")]
    assert end.standing.item() == pytest.approx(by_hand)


def test_taught_answers_stand_on_top(atlas, questions):
    some = ask(atlas, questions[(questions.relation == "novel_author") & (questions.case == WAYS[1])].head(10))
    table = answer_percentiles(atlas, some)
    assert (table[table.behind == "m5"].standing == 1).all()
