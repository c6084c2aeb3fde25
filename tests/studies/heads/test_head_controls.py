"""Wrong questions: other words are marked, another type is asked for; planted names vanish."""

from dataclasses import replace

import pytest
import torch

from helpers import classify_heads, relation_pairs
from helpers.components.heads import measure_heads
from helpers.studies.heads.head_tables import with_wrong_type, wrong_subjects


def test_the_mark_moves_beside_the_subject(atlas):
    pairs = relation_pairs(atlas, "landmark_country", 12)
    seen = set()
    for seed in range(5):
        wrong = wrong_subjects(pairs, seed)
        for ids, span, moved in zip(pairs.clean_ids, pairs.subjects, wrong.subjects, strict=True):
            assert 1 <= moved.start < moved.stop <= len(ids)
            assert moved.stop <= span.start or moved.start >= span.stop
            assert moved.stop - moved.start <= span.stop - span.start
            seen.add(moved.start)
        assert wrong.clean == pairs.clean and wrong.subjects == wrong_subjects(pairs, seed).subjects
    assert len(seen) > 2


def test_planted_movers_vanish_with_the_wrong_subject(known):
    pairs = known.pairs.select(range(6))
    for seed in range(3):
        left = classify_heads(known.model, wrong_subjects(pairs, seed))["class"]
        assert not left.isin(["mover", "mixture"]).any()


def test_planted_relation_heads_vanish_with_the_wrong_type(known):
    pairs, other = known.pairs.select(range(6)), known.pairs.select(range(6, 12))
    left = with_wrong_type(known.model, pairs, other.answer_ids, measure_heads(known.model, pairs))
    assert not left["class"].isin(["relation", "mixture"]).any()
    kept = with_wrong_type(known.model, pairs, pairs.answer_ids, measure_heads(known.model, pairs))
    assert kept["class"].tolist() == classify_heads(known.model, pairs)["class"].tolist()


def test_subjects_must_be_known_and_leave_room(known):
    pairs = known.pairs.select([0])
    with pytest.raises(ValueError, match="isn't known"):
        wrong_subjects(replace(pairs, subjects=(None,)))
    with pytest.raises(ValueError, match="no words beside"):
        wrong_subjects(replace(pairs, subjects=(slice(1, len(pairs.clean_ids[0])),)))
    assert torch.equal(wrong_subjects(pairs).answer_ids, pairs.answer_ids)
