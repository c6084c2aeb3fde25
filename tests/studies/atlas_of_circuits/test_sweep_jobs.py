"""A job's key changes with all that its result depends on, and with nothing else; what a job computes is right."""

from dataclasses import replace

import pytest
import torch
from small_models import random_model

from helpers import Circuit, Graph, eap, faithfulness, relation_pairs
from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits import sweep_jobs as jobs
from helpers.studies.atlas_of_circuits.sweep_jobs import (
    Job,
    Questions,
    Search,
    compute,
    find,
    loaded,
    prepare,
    searches,
    smallest,
    weights_digest,
)


@pytest.fixture(scope="module")
def job():
    weights, questions = prepare(("atlas", relation("country_capital"), 1, 4, 6))
    return Job({"model": "atlas"}, "atlas", weights, Search("eap", share=0.03), *questions[0])


def test_a_key_changes_with_what_the_result_depends_on(job, monkeypatch):
    other = replace(job.train, answers=job.train.answers[::-1])
    changes = [{"weights": "0" * 32}, {"train": other}, {"test": other}]
    for search in ({"method": "eap_ig"}, {"share": 0.04}, {"share": None, "keep": 0.9}, {"ablation": "zero"}):
        changes.append({"search": replace(job.search, **search)})
    changes += [{"search": replace(job.search, metric="kl")}, {"search": replace(job.search, draw=1)}]
    keys = [job.key, *(replace(job, **change).key for change in changes)]
    monkeypatch.setattr(jobs, "SCHEMA", jobs.SCHEMA + 1)
    keys.append(job.key)
    assert len(set(keys)) == len(keys) == len(changes) + 2


def test_a_key_does_not_change_with_names(job):
    assert replace(job, labels={"relation": "another name"}, source="a copy elsewhere").key == job.key


def test_a_key_is_the_same_tomorrow():
    """Fixed by hand, so that results on disk don't lose their keys unnoticed; a change needs another SCHEMA."""
    some = Questions(((0, 1),), ((0, 2),), (3,), (4,))
    fixed = Job({}, "atlas", "w", Search("acdc", tau=0.1), some, some)
    assert fixed.key == "b43c10d3e7ce2909937b23c65852c19d"


def test_weights_have_a_digest_of_their_own(tmp_path):
    first, same = (random_model("gpt2", tmp_path / name) for name in "ab")
    before = weights_digest(first)
    assert weights_digest(same) == before
    with torch.no_grad():
        same.original_model.transformer.h[1].mlp.c_fc.bias[3] += 1e-6
    assert weights_digest(same) != before
    assert weights_digest(random_model("llama", tmp_path / "c")) != before


def test_a_model_is_loaded_again_when_its_files_change(tmp_path):
    folder = str(tmp_path / "own")
    random_model("gpt2", tmp_path / "own")
    model, before = loaded(folder)
    assert loaded(folder)[0] is model
    random_model("gpt2", tmp_path / "own", scale=3.0)
    assert loaded(folder)[1] != before


def test_other_weights_under_the_same_name_are_refused(job):
    with pytest.raises(ValueError, match="other weights here"):
        compute(replace(job, weights="0" * 32))


def test_a_job_is_the_search_and_the_evaluation_of_the_library(atlas, job):
    train = relation_pairs(atlas, "country_capital", 4)
    test = relation_pairs(atlas, "country_capital", 6, split="test")
    assert job.train == Questions.of(train) and job.test == Questions.of(test)
    found = compute(job)
    circuit = Circuit.from_edges(Graph(**found["graph"]), found["edges"])
    assert circuit == eap(atlas, train).greedy(108)
    assert found["measured"]["faithfulness"] == pytest.approx(faithfulness(atlas, circuit, test), abs=1e-4)
    assert found["measured"]["edges"] == 108 and found["measured"]["test_facts"] == 6
    assert compute(job) == found


@pytest.mark.parametrize("method", ["eap_ig", "clean_corrupted", "acdc", "edge_pruning", "random"])
def test_every_method_gives_a_circuit(planted, method, monkeypatch):
    monkeypatch.setattr(jobs, "edge_pruning", lambda *a, **k: eap(*a[:2]))
    (search,) = searches([method], 0, shares=[0.2], taus=[0.1])
    circuit = find(planted.model, planted.pairs, search)
    assert circuit.n_edges and (method in ("random", "edge_pruning") or planted.edges <= set(circuit.edges))


def test_the_smallest_circuit_that_keeps_a_share(planted):
    scores = eap(planted.model, planted.pairs)
    search = Search("eap", keep=0.95)
    circuit = smallest(planted.model, scores, planted.pairs, search)
    assert faithfulness(planted.model, circuit, planted.pairs) >= 0.95
    smaller = scores.greedy(circuit.n_edges - 1)
    assert faithfulness(planted.model, smaller, planted.pairs) < 0.95


def test_too_few_known_facts_give_a_reason():
    _, questions = prepare(("atlas", relation("person_employer_seat"), 2, 4000, 6))
    assert set(questions) == {0, 1} and all("ask for fewer" in reason for reason in questions.values())


def test_searches_by_size():
    many = searches(["acdc", "eap", "random"], 3, shares=[0.01, 0.1], keep=[0.9], taus=[0.2])
    rules = [(s.method, s.size_rule, s.draw) for s in many]
    assert rules == [
        ("acdc", "tau 0.2", None),
        ("eap", "share 0.01", None),
        ("eap", "share 0.1", None),
        ("eap", "keep 0.9", None),
        ("random", "share 0.01", 3),
        ("random", "share 0.1", 3),
    ]


@pytest.mark.parametrize(
    ("methods", "options", "says"),
    [
        (["eap_gi"], {}, "unknown method 'eap_gi'; choose from eap, eap_ig"),
        (["eap"], {"metric": "loss"}, "unknown metric 'loss'; choose from logit_diff"),
        (["eap"], {"ablation": "noise"}, "unknown ablation 'noise'; choose from corrupt"),
        (["eap"], {"shares": [3.0]}, "at most 1, not 3"),
        (["acdc"], {"taus": [0.0]}, "tau must be greater than 0"),
    ],
)
def test_wrong_arguments_say_what_is_right(methods, options, says):
    with pytest.raises(ValueError, match=says):
        searches(methods, 0, **options)
