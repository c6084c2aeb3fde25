"""SmolLM2's study on a small known model: what is said, what is taken out, and signs that are planted."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import read_network, read_table, relation
from helpers.models.predict import logits_after
from helpers.models.run import stop_names
from helpers.studies.hallucination import real_questions as asking
from helpers.studies.hallucination import real_signs as judging
from helpers.studies.hallucination import real_ways as tables
from helpers.studies.hallucination.contests import RIGHT, WRONG, contests, look, way_rows
from helpers.studies.hallucination.questions import fact_questions


@pytest.fixture(scope="module")
def asked(atlas2):
    facts = [fact for fact in relation("person_hometown").facts if fact.exposures == 10]
    return fact_questions(atlas2, facts[:8], (0, 1))


def test_questions_of_a_relation(atlas2, monkeypatch):
    monkeypatch.setattr(asking, "FACTS", 9)
    currency = relation("country_currency")
    found = asking.questions_of(atlas2, currency, [0, 2])
    assert found and all(len({q.fact.subject for q in found if q.template == t}) <= 9 for t in (0, 2))
    decode = atlas2.tokenizer.decode
    for question in found:
        words = [decode([token]).strip() for token in question.accepted]
        assert question.prompt == currency.prompt(question.fact, question.template)
        assert all(word.isalpha() and len(word) >= asking.LETTERS for word in words)
        assert question.fact.answer.startswith(words[0])
        assert decode(question.ids[question.subject]).strip() == question.fact.subject
        assert set(question.accepted) <= set(question.members)


def test_templates_are_the_best_of_several():
    knows = read_table("smollm2_knows").query("model == 'smollm2'").set_index(["relation", "template"]).hit1
    for name, templates in asking.asked_templates().items():
        hits = [knows[name, t] for t in templates]
        assert (
            2 <= len(hits) <= asking.TEMPLATES and hits == sorted(hits, reverse=True) and hits[0] == knows[name].max()
        )
        assert hits[-1] >= 0.1


def test_going_on_is_greedy_decoding(atlas2, asked):
    net, tokenizer = read_network(atlas2), atlas2.tokenizer
    ids = [list(question.ids) for question in asked]
    said = logits_after(net, ids)[:, 0].argmax(-1)
    found = asking.continued(net, tokenizer, asked, said, tokens=2)
    for row, token, text in zip(ids, said.tolist(), found, strict=True):
        row.append(token)
        for _ in range(2):
            row.append(int(logits_after(net, [row])[0, 0].argmax()))
        assert text == tokenizer.decode(row[-2:])


def test_kinds_of_what_is_said(atlas2):
    tokenizer = atlas2.tokenizer
    fact = next(f for f in relation("country_currency").facts if f.subject == "Kenya")
    (question,) = [q for q in fact_questions(atlas2, [fact], (0,))]

    def kind(word, goes_on=""):
        return asking.said_kind(tokenizer, question, tokenizer.encode(f"is {word}")[-1], goes_on)

    assert kind("shilling") == "right" and kind("euro") == "another answer"
    assert kind("Kenya", "n Shilling.") == "right, by a detour"
    assert kind("Kenya", "n euro") == "the subject again" and kind("is") == "another word"


def test_taking_out_what_it_writes_anyway_changes_nothing(atlas2, asked):
    net = read_network(atlas2)
    last = look(net, asked).last
    own = last.diff(dim=0).transpose(0, 1)
    sublayers = [n % own.shape[1] for n in range(len(asked))]
    assert torch.allclose(tables.without(net, asked, sublayers, own), net.unembed(last[-1]), atol=1e-3)
    usual = tables.usual_writes(asked, last)
    assert torch.allclose(usual[0], own[::2].mean(0), atol=1e-4), "the mean over the same template"
    assert (tables.without(net, asked, sublayers, usual) - net.unembed(last[-1])).abs().max() > 1


def test_taking_out_is_of_the_sublayer_that_passed(atlas2, asked):
    net = read_network(atlas2)
    seen = look(net, asked)
    ways = way_rows(net, seen.last, contests(asked, net.unembed(seen.last[-1])))
    found = tables.taken_out(net, asked, seen.last, ways)
    judged = found.passed.notna() & found.way.isin([WRONG, RIGHT])
    assert judged.any() and (found.back.notna() == judged).all() and (found.back_other.notna() == judged).all()
    row = found[judged].iloc[0]
    sublayer = stop_names(8).index(row.passed) - 1
    usual = tables.usual_writes(asked, seen.last)[[row.question]]
    logits = tables.without(net, [asked[row.question]], [sublayer], usual)[0]
    assert row.back == bool(logits[row.loser] > logits[row.winner])


def test_shares_by_stop(atlas2):
    ways = pd.DataFrame({"stops": ["0100000", "1100000"], "relation": "r", "way": WRONG, "known": "k"})
    rows = tables.by_stop(read_network(atlas2), ways)
    assert rows.after.tolist()[:2] == ["a4", "m4"] and rows.ahead.tolist() == [1, 2, 0, 0, 0, 0, 0]


def test_planted_signs_are_found():
    rng, n = np.random.default_rng(0), 60
    asked = pd.DataFrame({"relation": np.repeat(["a", "b", "c"], n), "template": 0, "right": rng.random(3 * n) < 0.5})
    asked["subject"] = [f"s{i}" for i in range(3 * n)]
    asked["probability"], asked["to_subject"] = asked.right + 0.1 * rng.random(3 * n), rng.random(3 * n)
    noise = torch.tensor(rng.normal(size=(3 * n, 4)))
    shared, own = noise.clone(), noise.clone()
    shared[:, 0] += 6 * torch.tensor(asked.right.to_numpy())  # the same direction in all relations
    turned = np.where(asked.relation == "a", 6, -6) * asked.right.to_numpy()
    own[:, 0] += torch.tensor(turned)
    table = judging.sign_rows(asked, own, shared).set_index(["sign", "trained"]).sort_index()
    attention, state = judging.PROBES
    assert table.loc[(judging.CONFIDENCE, "")].area.min() == 1 and table.loc[(judging.LOOKS, "")].area.max() < 0.75
    assert (
        table.loc[(state, judging.OTHERS)].area.min() > 0.95 and table.loc[(attention, judging.OWN)].area.min() > 0.95
    )
    turned = table.loc[(attention, judging.OTHERS)].set_index("relation").area
    assert turned["a"] < 0.1, "what helps in others misleads here"


def test_few_answers_are_not_judged():
    asked = pd.DataFrame(
        {"relation": "a", "template": [0] * 20 + [1] * 20, "right": [True] * 10 + [False] * 10 + [True] * 19 + [False]}
    )
    assert set(judging.judged_templates(asked).template) == {0}
