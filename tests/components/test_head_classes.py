"""Planted heads are found and no others; classes vanish when the spans are wrong; rules and thresholds."""

import random
from dataclasses import replace

import pandas as pd
import pytest

from helpers import classify_heads, relation_pairs
from helpers.components.head_classes import KNOWLEDGE, Thresholds, name_heads
from helpers.components.heads import measure_heads


def test_planted_heads_answer(known):
    for pairs in (known.pairs, known.indirect):
        assert (pairs.clean_logits(known.model).argmax(-1) == pairs.answer_ids).all()


def test_planted_knowledge_heads_are_found_and_no_others(known):
    for rows in (range(6), range(6, 12), range(12)):  # either relation, both together
        found = classify_heads(known.model, known.pairs.select(rows)).set_index("head")["class"]
        assert found[found != "none"].to_dict() == known.knowledge


def test_the_conditions_say_why(known):
    table = classify_heads(known.model, known.pairs.select(range(6))).set_index("head")
    conditions = ["reads_subject", "reads_relation", "names_answer", "names_type", "has_effect"]
    assert [name for name in conditions if table[name]["a0.h2"]] == conditions
    assert [name for name in conditions if table[name]["a0.h1"]] == ["reads_relation", "names_type"]
    assert [name for name in conditions if table[name]["a0.h5"]] == ["reads_subject"]


def test_the_planted_decoy_attends_but_does_nothing(known):
    row = measure_heads(known.model, known.pairs).set_index("head").loc["a0.h5"]
    assert row.to_subject > 0.99 and abs(row.effect) < 1e-3 and abs(row.writes_answer) < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_classes_vanish_when_the_spans_are_wrong(known, seed):
    """Falsification: a name depends on where the subject is, not on how strong a head is."""
    rng, pairs = random.Random(seed), known.pairs.select(range(6))  # of one relation
    assert classify_heads(known.model, pairs)["class"].isin(KNOWLEDGE).sum() == 3
    places = [rng.choice([1, 3]) for _ in range(len(pairs))]  # the filler, or the relation's word
    for chosen in (places, [1] * 6, [3] * 6):
        wrong = replace(pairs, subjects=tuple(slice(p, p + 1) for p in chosen))
        assert not classify_heads(known.model, wrong)["class"].isin(["mover", "mixture"]).any()
    assert not classify_heads(known.model, wrong)["class"].isin(KNOWLEDGE).any()  # the relation's word as the subject


def test_classes_nearly_vanish_on_atlas_when_the_spans_are_wrong(atlas):
    """The span moves to words that say nothing of the subject; what remains are heads that read it further on."""
    pairs = relation_pairs(atlas, "country_language", 10)
    found = classify_heads(atlas, pairs)["class"].isin(["mover", "mixture"]).sum()
    wrong = replace(pairs, subjects=(slice(1, 3),) * len(pairs))
    left = classify_heads(atlas, wrong)["class"].isin(["mover", "mixture"]).sum()
    assert found >= 3 and left == 0


@pytest.mark.parametrize("name", ["subject_times", "effect_times", "pattern"])
def test_thresholds_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        Thresholds(**{name: 0.0})


def test_measurements_can_be_named_again(known):
    pairs = known.pairs.select(range(6))
    measured = measure_heads(known.model, pairs)
    before = measured.copy()
    named = name_heads(measured)
    pd.testing.assert_frame_equal(measured, before)
    assert named["class"].tolist() == classify_heads(known.model, pairs)["class"].tolist()
    assert ((named.strength > 0) == (named["class"] != "none")).all()
    assert (name_heads(measured, Thresholds(subject_times=100.0, relation_times=100.0))["class"] == "none").all()
