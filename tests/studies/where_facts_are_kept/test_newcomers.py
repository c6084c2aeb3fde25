"""New people have names of their own, each fact is told as often as said, and what was told is learnt."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from small_models import random_model

from helpers.atlas.corpora import world
from helpers.atlas.people import KIND
from helpers.atlas.training import TrainingPlan
from helpers.models.load import load_model
from helpers.models.network import read_network
from helpers.models.run import resume
from helpers.studies.where_facts_are_kept import newcomers
from helpers.studies.where_facts_are_kept.newcomers import PLACES, ROUNDS, new_people, right_at, taken_at, told_of

PEOPLE = new_people("profiles", seed=1)


def test_new_people_have_old_words_in_new_names():
    old = {fact.subject for table in world("profiles") if table.kind == KIND for fact in table.facts}
    words = {word for name in old for word in name.split()}
    new = [fact.subject for fact in PEOPLE[0].facts]
    assert len(PEOPLE) == 8 and len(set(new)) == len(new) == 24
    assert not set(new) & old and all(set(name.split()) <= words for name in new)
    assert {" ".join(reversed(name.split())) for name in new} == set(new), "both orders of the same words"
    assert all([fact.subject for fact in table.facts] == new for table in PEOPLE)
    assert new_people("profiles", seed=2)[0].facts != PEOPLE[0].facts


@pytest.mark.parametrize("telling", newcomers.TELLINGS)
def test_every_fact_is_told_as_often_as_said(telling):
    mentions = Counter((m.relation, m.subject, m.answer) for d in told_of(PEOPLE, telling, 0) for m in d.mentions)
    assert mentions == {(f.relation, f.subject, f.answer): ROUNDS for table in PEOPLE for f in table.facts}


def test_places_are_positions():
    taken = {place: taken_at(place, slice(1, 3), 6) for place in PLACES}
    assert taken["none"] == [False] * 6 and taken["all"] == [True] * 6
    assert [i for i, one in enumerate(taken["subject"]) if one] == [1, 2]
    assert [i for i, one in enumerate(taken["subject last"]) if one] == [2]
    assert [i for i, one in enumerate(taken["between"]) if one] == [3, 4]
    assert [i for i, one in enumerate(taken["subject and last"]) if one] == [1, 2, 5]


def test_at_no_place_the_old_model_answers_and_at_all_places_the_new_one(tmp_path):
    base = read_network(random_model("gpt2", tmp_path, 4.0))
    nets = base, replace(base, W_U=-base.W_U)
    ids = [0, 5, 6, 7, 8]
    says = [int(resume(net, net.embed(torch.tensor([ids])))[0].argmax()) for net in nets]
    assert says[0] != says[1]
    for answer, places in zip(says, ("none", "all"), strict=True):
        right = dict(zip(PLACES, right_at(*nets, ids, slice(1, 3), answer), strict=True))
        assert right[places] and not right[{"none": "all", "all": "none"}[places]]


def test_what_is_told_is_learnt(tmp_path, monkeypatch):
    random_model("gpt2", tmp_path / "tiny", 1.0)
    monkeypatch.setattr(newcomers, "model_folder", lambda name: tmp_path / "tiny")
    monkeypatch.setattr(newcomers, "RUNS", {"tiny": TrainingPlan()})
    monkeypatch.setattr(newcomers, "RATE", 1.0)
    monkeypatch.setattr(newcomers, "corpus_sample", lambda tokenizer, told: [[0, 1 + n, 2 + n] for n in range(50)])
    model, documents = load_model(str(tmp_path / "tiny"), device="cpu"), told_of(PEOPLE, "profiles", 0)[:40]
    after = newcomers.taught(model, "tiny", "profiles", documents)
    rows = newcomers.lessons(model, "profiles", documents, 0)
    lost = []
    for net in (model, after):
        logits = net(rows.tokens[:4, :20])
        target = rows.tokens[:4, 1:20]
        lost.append(float(torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), target.flatten())))
    assert lost[1] < lost[0] - 0.1
