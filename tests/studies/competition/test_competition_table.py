"""A part of the committed table, computed again."""

import numpy as np
import pytest

from helpers import load_model, logit_diff
from helpers.searches.attribution import find_circuit
from helpers.studies.competition.competition import predict_winner
from helpers.studies.competition.competition_table import CONFLICTS, conflicts, rivals_of
from helpers.studies.competition.sentences import DOSES
from helpers.studies.tables import read_table


def test_the_table_has_all_relations_and_each_subject_once():
    table = read_table("competition")
    for model, relations in CONFLICTS.items():
        assert set(table.relation[table.model == model]) == set(relations)
    assert not table.duplicated(["model", "relation", "subject"]).any()
    dose = read_table("competition_dose")
    assert set(dose.times) == set(DOSES) and (dose.query("times == 0").says == "memory").all()


@pytest.mark.parametrize("relation", ["landmark_country"])
def test_rows_are_what_the_code_gives(relation):
    model = load_model("atlas2", device="cpu")
    rows = read_table("competition").query("model == 'atlas2' and relation == @relation")
    train, test = (conflicts(model, "atlas2", relation, int(rows.dose.iloc[0]), split) for split in ("train", "test"))
    assert list(test.about.subject) == list(rows.subject)
    some = test.select(range(5))
    measured = logit_diff(some.both.clean_logits(model), some.both)
    assert np.allclose(measured, rows.measured[:5], atol=1e-2)
    two = tuple(find_circuit(model, pairs) for pairs in (train.first, train.second))
    rivals = rivals_of(two[0].graph, two)
    for name in ("found", "permuted 1"):
        assert np.allclose(predict_winner(model, some, *rivals[name]).predicted, rows[name][:5], atol=2e-2)
    shared = [one.jaccard(other) for one, other in zip(two, rivals["permuted 0"], strict=True)]
    assert max(shared) < 0.6, "permuting heads changes most edges"
