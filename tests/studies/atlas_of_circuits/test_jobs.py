"""A job's key changes with all that its result depends on, and with nothing else; what a job computes is right."""

from dataclasses import replace

import pytest
from small_sweeps import small_plan

from helpers import Circuit, Graph, eap, faithfulness, relation_pairs
from helpers.studies.atlas_of_circuits import jobs
from helpers.studies.atlas_of_circuits.jobs import Job, compute, find, token_ids

SEARCH = {"method": "eap", "metric": "logit_diff", "ablation": "corrupt"}
SEARCH |= dict.fromkeys(("share", "keep", "tau", "draw"))


@pytest.fixture(scope="module")
def job():
    return small_plan("country_capital")[0][0]


def test_a_key_changes_with_what_the_result_depends_on(job, monkeypatch):
    other = {**job.train, "answers": job.train["answers"][::-1]}
    changes = [{"weights": "0" * 32}, {"train": other}, {"test": other}]
    for search in ({"method": "eap_ig"}, {"share": 0.04}, {"share": None, "keep": 0.9}, {"ablation": "zero"}):
        changes.append({"search": job.search | search})
    changes += [{"search": job.search | {"metric": "kl"}}, {"search": job.search | {"draw": 1}}]
    keys = [job.key, *(replace(job, **change).key for change in changes)]
    monkeypatch.setattr(jobs, "SCHEMA", jobs.SCHEMA + 1)
    keys.append(job.key)
    assert len(set(keys)) == len(keys) == len(changes) + 2


def test_a_key_does_not_change_with_names(job):
    assert replace(job, labels={"relation": "another name"}, source="a copy elsewhere").key == job.key


def test_a_key_is_the_same_tomorrow():
    """Fixed by hand, so that results on disk don't lose their keys unnoticed; a change needs another SCHEMA."""
    some = {"clean": ((0, 1),), "corrupt": ((0, 2),), "answers": (3,), "wrong": (4,)}
    fixed = Job({}, "atlas", "w", SEARCH | {"method": "acdc", "tau": 0.1}, some, some)
    assert fixed.key == "b43c10d3e7ce2909937b23c65852c19d"


def test_other_weights_under_the_same_name_are_refused(job):
    with pytest.raises(ValueError, match="other weights here"):
        compute(replace(job, weights="0" * 32))


def test_a_job_is_the_search_and_the_evaluation_of_the_library(atlas, job):
    train = relation_pairs(atlas, "country_capital", 4)
    test = relation_pairs(atlas, "country_capital", 6, split="test")
    assert job.train == token_ids(train) and job.test == token_ids(test)
    found = compute(job)
    circuit = Circuit.from_edges(Graph(**found["graph"]), found["edges"])
    assert circuit == eap(atlas, train).greedy(108)
    assert found["measured"]["faithfulness"] == pytest.approx(faithfulness(atlas, circuit, test), abs=1e-4)
    assert found["measured"]["edges"] == 108 and found["measured"]["test_facts"] == 6
    assert compute(job) == found


@pytest.mark.parametrize(
    ("method", "size"),
    [("eap_ig", "share"), ("exact", "share"), ("clean_corrupted", "share"), ("acdc", "tau"), ("edge_pruning", "share")],
)
def test_every_method_gives_a_circuit(planted, method, size, monkeypatch):
    monkeypatch.setattr(jobs, "edge_pruning", lambda *a, metric, **k: eap(*a, metric))
    circuit = find(planted.model, planted.pairs, SEARCH | {"method": method, size: {"share": 0.2, "tau": 0.1}[size]})
    assert circuit.n_edges and (method == "edge_pruning" or planted.edges <= set(circuit.edges))


def test_a_plan_has_every_combination_in_its_order():
    planned, skipped = small_plan(methods=["eap", "acdc"], sizes={"share": [0.03], "tau": [0.1]})
    labels = [(j.labels["relation"], j.labels["seed"], j.labels["method"]) for j in planned]
    assert labels == [(r, s, m) for r in ("country_capital", "plural") for s in (0, 1) for m in ("eap", "acdc")]
    assert not skipped and len({j.key for j in planned}) == len(planned)
    assert planned[0].test == planned[2].test and planned[0].train != planned[2].train


def test_methods_take_the_sizes_that_fit():
    sizes = {"share": [0.01, 0.1], "keep": [0.9], "tau": [0.2]}
    planned, _ = small_plan("plural", methods=["acdc", "eap", "edge_pruning"], sizes=sizes)
    rules = [(j.labels["method"], j.labels["size"], j.search["draw"]) for j in planned if j.labels["seed"] == 1]
    assert rules == [
        ("acdc", "tau 0.2", None),
        ("eap", "share 0.01", None),
        ("eap", "share 0.1", None),
        ("eap", "keep 0.9", None),
        ("edge_pruning", "share 0.01", 1),
        ("edge_pruning", "share 0.1", 1),
    ]
    assert planned[0].search == SEARCH | {"method": "acdc", "tau": 0.2}


def test_what_cannot_be_asked_is_skipped_with_its_reason():
    planned, skipped = small_plan("plural", "person_craft", pairs=(4, 9999))
    assert not planned and len(skipped) == 4
    assert all(row["status"] == "skipped" and "ask for fewer" in row["reason"] for row in skipped)


def test_an_unknown_model_is_one_sentence():
    with pytest.raises(ValueError, match="unknown model 'atlas@7'; embedded are atlas"):
        small_plan(models=["atlas@7"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"methods": ["eap_gi"]}, "unknown method 'eap_gi'; choose from eap, eap_ig"),
        ({"metric": "loss"}, "unknown metric 'loss'; choose from logit_diff"),
        ({"ablation": "noise"}, "unknown ablation 'noise'; choose from corrupt"),
        ({"sizes": {"share": [3.0]}}, "at most 1, not share 3"),
        ({"methods": ["acdc"], "sizes": {"tau": [0.0]}}, "more than 0, .* not tau 0"),
        ({"models": []}, "at least one of each"),
        ({"sizes": {"tau": [0.1]}}, "at least one of each"),
        ({"seeds": 0}, "at least one of each"),
    ],
)
def test_wrong_arguments_say_what_is_right(options, says):
    with pytest.raises(ValueError, match=says):
        small_plan(**options)
