"""Names become relations, relations become jobs."""

import pytest
from small_sweeps import small_plan

from helpers.prompts.relations import FACTS, relation, relations
from helpers.studies.atlas_of_circuits.sweep_jobs import SweepError
from helpers.studies.atlas_of_circuits.sweep_plan import Plan, chosen_relations, plan_jobs
from helpers.studies.atlas_of_circuits.sweep_run import in_this_process


def test_names_kinds_all_groups_and_files(tmp_path):
    assert [r.name for r in chosen_relations(["plural", "country_capital", "plural"])] == ["plural", "country_capital"]
    assert {r.name for r in chosen_relations(["bias"])} == set(relations("bias"))
    assert {r.name for r in chosen_relations(["all"])} == set(relations())
    own = tmp_path / "mine.json"
    own.write_text((FACTS / "linguistic" / "plural.json").read_text(encoding="utf-8"), encoding="utf-8")
    assert chosen_relations([str(own)])[0].name == "mine"
    towns = chosen_relations(["person_hometown:each"])
    assert [r.name for r in towns[:2]] == ["person_hometown:0 exposures", "person_hometown:1 exposures"]
    assert sum(len(r.facts) for r in towns) == len(relation("person_hometown").facts)


@pytest.mark.parametrize(
    ("name", "says"),
    [("capital", "unknown relation 'capital'; choose from"), ("plural:each", "no groups"), ("plural:x", "'plural:x'")],
)
def test_a_wrong_name_says_what_is_right(name, says):
    with pytest.raises(ValueError, match=says):
        chosen_relations([name])


def test_a_plan_becomes_jobs_in_its_order_whatever_order_they_are_drawn_in():
    plan = small_plan(methods=["eap", "acdc"])
    jobs, skipped = plan_jobs(plan, lambda f, tasks: reversed(list(in_this_process(f, tasks))), progress=False)
    labels = [(j.labels["relation"], j.labels["seed"], j.labels["method"]) for j in jobs]
    assert labels == [(r, s, m) for r in ("country_capital", "plural") for s in (0, 1) for m in ("eap", "acdc")]
    assert not skipped and len({j.key for j in jobs}) == len(jobs)
    assert jobs[0].test == jobs[2].test and jobs[0].train != jobs[2].train


def test_what_cannot_be_asked_is_skipped_with_its_reason():
    jobs, skipped = plan_jobs(small_plan("plural", "person_craft", pairs=(4, 9999)), in_this_process, progress=False)
    assert not jobs and len(skipped) == 4
    assert all(row["status"] == "skipped" and "ask for fewer" in row["reason"] for row in skipped)


def test_an_unknown_model_is_one_sentence():
    with pytest.raises(SweepError, match="unknown model 'atlas@7'; embedded are atlas"):
        plan_jobs(small_plan(models=["atlas@7"]), in_this_process, progress=False)


def test_an_empty_plan_is_refused():
    with pytest.raises(ValueError, match="at least one of each"):
        Plan([], [relation("plural")], ["eap"])
