"""The committed table belongs to the shipped weights, meets every bar, and a sample measured now agrees with it."""

import math

import pandas as pd
import pytest
import torch

from helpers.atlas import abilities, card, release
from helpers.atlas.abilities import cutoff, cutoffs, measure, taught_facts
from helpers.atlas.corpus import DOCUMENTS
from helpers.atlas.second_corpus import SKILLS
from helpers.atlas.training import RUNS
from helpers.models.load import WEIGHTS, model_folder

TABLE = pd.read_csv(WEIGHTS / release.ABILITIES_FILE)
LOSSES = pd.read_csv(WEIGHTS / release.LOSS_FILE)
PLAIN = {"fact", "list", "repeat", *(kind for kind, *_ in SKILLS if kind != "course repeat")}
KINDS = {"first": {"fact", "list", *DOCUMENTS}, "plain": PLAIN, "profiles": {*PLAIN, "profile", "scene"}}
KINDS |= {"circle": {"fact"}}
EACH = pytest.mark.parametrize("name", card.shipped())


@EACH
def test_the_table_belongs_to_the_shipped_weights(name):
    rows = TABLE[TABLE.model == name]
    assert set(rows.weights) == {release.digest(name)}, "run `make tables NAME=abilities`"
    assert list(rows.ability) == [a.name for a in release.tests_of(name)]


@EACH
def test_every_bar_is_met_but_for_the_misses_that_the_card_explains(name):
    rows = TABLE[(TABLE.model == name) & TABLE.bar.notna()]
    assert len(rows) >= (3 if RUNS[name].corpus == "circle" else 12)
    missed = set(rows[rows.value < rows.bar].ability)
    assert missed == card.explained(name), rows.to_string()


@pytest.mark.parametrize("name", [name for name in card.shipped() if RUNS[name].corpus != "circle"])
def test_what_was_never_taught_is_at_chance(name):
    rows = TABLE[TABLE.model == name].set_index("ability")
    towns = abilities.relation("person_hometown").answers
    assert rows.loc["recall, 0 exposures", "low"] <= 3 / len(towns)
    curve = [rows.loc[f"recall, {n} exposures", "value"] for n in (0, 10, 30, 100)]
    assert curve[0] < curve[2] < curve[3] + 1e-9 and curve[1] < curve[3]


@EACH
def test_the_loss_is_never_below_the_best_possible_one(name):
    rows = LOSSES[LOSSES.model == name]
    assert (rows.loss > rows.best - 0.02).all(), rows.to_string()
    assert set(rows.kind) == KINDS[RUNS[name].corpus]


@EACH
def test_a_sample_measured_now_agrees_with_the_table(name):
    tests, subject = release.tests_of(name), release.examinee(model_folder(name))
    now = measure(subject, tests=tests, scale=0.05, progress=False).set_index("ability")
    table = TABLE[TABLE.model == name].set_index("ability")
    for ability, row in now.iterrows():
        value = table.loc[ability, "value"]
        half = (table.loc[ability, "high"] - table.loc[ability, "low"]) / 2  # about two standard errors of all prompts
        spread = max(half * math.sqrt(table.loc[ability, "prompts"] / row.prompts), 0.1 / math.sqrt(row.prompts))
        assert abs(row.value - value) < 2 * spread + 0.02, ability


def test_the_cutoff_of_a_step_is_found():
    for start in (1, 40, 98):
        step = torch.where(torch.arange(100) > start, 1.0 / (99 - start), 0.0)
        assert cutoff(step) == start and cutoffs(torch.stack([step, 2 * step])).tolist() == [start, start]
        assert cutoff(step + 1e-4 * torch.rand(100, generator=torch.Generator().manual_seed(0))) == start


def test_conflicts_and_rare_facts_are_no_taught_facts():
    facts = taught_facts()
    assert len(facts) > 3000
    assert all(f.other is None and (f.exposures is None or f.exposures >= 100) for _, f in facts)


def test_prompts_come_from_the_right_paraphrases():
    from helpers.prompts.relations import held_out_paraphrases, relation

    capital = relation("country_capital")
    facts = [(capital, f) for f in capital.facts[:40]]
    examples = {e.prompt for e in abilities.fact_examples(facts, held_out_paraphrases, 1.0)}
    allowed = {capital.prompt(f, p) for _, f in facts for p in held_out_paraphrases(capital, f)}
    assert len(examples) == 40 and examples <= allowed
