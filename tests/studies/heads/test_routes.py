"""What a head brings, parted by its way: planted heads, last layers, thresholds."""

import pytest
import torch

from helpers import relation_pairs
from helpers.components.heads import measure_heads
from helpers.studies.heads.routes import brought_directly, classify, measured_heads, thresholds


def test_planted_heads_get_their_class(known):
    found = classify(measured_heads(known.model, known.pairs)).set_index("head")
    for head, kind in known.knowledge.items():
        assert found.loc[head, "class"] == kind.replace("mover", "attribute mover")
    assert found["class"].ne("none").sum() == len(known.knowledge)
    assert found.direct_share["a0.h0"] == pytest.approx(1, abs=0.01), "nothing after it changes what it wrote"


def test_a_head_that_writes_little_itself_propagates(known):
    measured = measured_heads(known.model, known.pairs)
    measured.loc[0, "direct_from_subject"] *= 0.4
    assert classify(measured)["class"].iloc[0] == "propagation"
    measured.loc[0, "effect_from_subject"] = 0.0
    assert classify(measured)["class"].iloc[0] == "none", "names without an effect aren't movers"


def test_the_direct_part_is_small_where_the_effect_is(atlas2):
    pairs = relation_pairs(atlas2, "country_language", 4)
    direct = brought_directly(atlas2, pairs)
    effect = torch.tensor(measure_heads(atlas2, pairs).effect_from_subject.to_numpy()).reshape(direct.shape)
    last = torch.corrcoef(torch.stack((direct[-1].double(), effect[-1])))[0, 1]
    assert last > 0.95, "of the last layer only the last MLP comes after"


def test_thresholds_are_shares_of_the_whole_model():
    few, many = thresholds(48), thresholds(270, times=0.5)
    assert few.writes_times / 48 == pytest.approx(0.01) and few.effect_times / 48 == pytest.approx(0.02)
    assert many.writes_times / 270 == pytest.approx(0.005) and many.subject_times == few.subject_times / 2
