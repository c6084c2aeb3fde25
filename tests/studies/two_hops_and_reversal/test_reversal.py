"""Both ends of a fact: ranks by hand, cases that follow from what training stated."""

import pytest
import torch

from helpers.atlas.corpus import exposures
from helpers.studies.tables import read_table
from helpers.studies.two_hops_and_reversal.reversal import (
    BOTH_WAYS,
    WAYS,
    ask_both_ways,
    percentile_rank,
    reversal_questions,
)


def test_rank_by_hand():
    logits = torch.tensor([[5.0, 1.0, 3.0, 4.0, 9.0], [0.0, 2.0, 1.0, 1.0, 0.0]])
    assert percentile_rank(logits, 2, torch.tensor([1, 2, 3])).tolist() == [0.5, 0.0], "a tie isn't ahead"
    with pytest.raises(ValueError, match="no other member"):
        percentile_rank(logits, 2, torch.tensor([2]))


def test_ways_follow_from_the_exposures():
    table = reversal_questions()
    told = exposures("atlas2").groupby(["relation", "subject"])["count"].sum()
    counts = [told[key] for key in zip(table.relation, table.subject, strict=True)]
    assert [n == 0 for n in counts] == (table.way == WAYS[2]).tolist()
    assert table.groupby(["relation", "way"]).size().tolist() == [30] * 6


def test_told_directions_are_known(atlas2):
    table = ask_both_ways(atlas2, reversal_questions())
    right = table.groupby("way").right.mean()
    assert right[WAYS[0]] > 0.9 and right[WAYS[1]] > 0.9 and right[WAYS[2]] < 0.1


def test_the_table_has_both_ends():
    table = read_table("reversals")
    assert set(table.relation) == set(BOTH_WAYS) and set(table.way) == {"forward", "back"}
    assert table.groupby("relation").way.value_counts().groupby("relation").nunique().eq(1).all()
