"""A head that is turned up or down, and how a fact's advantage and a prompt's parts are read."""

import torch

from helpers import logit_diff
from helpers.components.heads import ablate_heads
from helpers.models.network import read_network
from helpers.studies.competition.conflicts import fact_conflicts
from helpers.studies.competition.drawing import parts_of
from helpers.studies.competition.exposure import advantage, resistance
from helpers.studies.competition.scaled_heads import direct_gap, scaled_gap, scaled_rows


def test_a_factor_of_one_is_the_model_and_none_the_model_without_the_head(atlas):
    pairs = fact_conflicts(atlas, "landmark_country", 4, repeated=[2], split="test").both
    net = read_network(atlas)
    whole = logit_diff(pairs.clean_logits(atlas), pairs)
    assert torch.allclose(scaled_gap(net, pairs, 3, 1, 1.0), whole, atol=1e-4)
    assert torch.allclose(
        scaled_gap(net, pairs, 3, 1, 0.0), logit_diff(ablate_heads(atlas, pairs, ["a3.h1"]), pairs), atol=1e-3
    )
    assert torch.allclose(logit_diff(pairs.clean_logits(atlas), pairs), whole), "the model itself is as it was"


def test_every_head_has_a_direct_gap(atlas):
    pairs = fact_conflicts(atlas, "landmark_country", 3, repeated=[2], split="test").both
    gaps = direct_gap(read_network(atlas), pairs)
    assert gaps.shape == (atlas.cfg.n_layers, atlas.cfg.n_heads) and gaps.isfinite().all() and gaps.abs().max() > 0.1


def test_each_side_has_its_best_factor(atlas):
    train, test = (fact_conflicts(atlas, "landmark_country", 6, repeated=[2], split=s) for s in ("train", "test"))
    rows = list(scaled_rows(atlas, train, test))
    assert len(rows) == 8 and {row["side"] for row in rows} == {"memory", "copy"}
    assert all(0 <= row["wins"] <= row["conflicts"] == 6 for row in rows)


def test_advantage_by_hand():
    assert advantage(torch.tensor([5.0, 1.0, 2.0, 9.0]), 0, [1, 2]) == 3.5


def test_a_fact_that_was_never_told_has_no_advantage(atlas):
    table = resistance(atlas, "person_hometown", 0)
    means = table.groupby("exposures")[["alone", "against"]].mean()
    assert means.loc[0].abs().max() < 1.5 and (means.loc[300] > 2).all()


def test_the_parts_of_a_prompt():
    parts = parts_of("x y The A is b z x y The A is", "The A is", "b", "x y")
    assert [kind for _, kind in parts] == ["random", "", "repeated", "", "false", "", "random", "", "repeated"]
    assert "".join(text for text, _ in parts) == "x y The A is b z x y The A is"
