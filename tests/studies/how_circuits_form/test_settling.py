"""When something settles, by hand: progress, the interval between checkpoints, half-way, and what comes first."""

import math

import pandas as pd
import pytest

from helpers.statistics import Estimate
from helpers.studies.how_circuits_form.settling import (
    converged,
    jump,
    midpoint_step,
    order,
    progress,
    timing,
    trajectories,
)

STEPS = [100, 200, 400, 800]


def test_progress_is_zero_at_chance_and_one_at_the_end():
    assert progress([0.0, 0.25, 0.5]).tolist() == [0, 0.5, 1]
    assert progress([0.2, 0.3, 0.6], [0.2, 0.2, 0.4]).tolist() == pytest.approx([0, 0.5, 1])
    with pytest.raises(ValueError, match="no way to measure"):
        progress([0.5, 0.4], 0.4)


def test_settled_is_from_where_it_stays():
    assert converged(STEPS, [0.0, 0.5, 0.95, 1.0]) == (200, 400)
    assert converged(STEPS, [0.95, 0.5, 0.95, 1.0]) == (200, 400), "a visit doesn't count"
    assert converged(STEPS, [0.9, 0.9, 0.9, 1.0]) == (0, 100)
    assert converged(STEPS, [0.0, 0.1, 0.2, 1.0]) == (400, 800)
    assert converged(STEPS, [float("nan"), 0.9, 0.9, 1.0]) == (100, 200)
    with pytest.raises(ValueError, match="below the share"):
        converged(STEPS, [1.0, 1.0, 1.0, 0.5])
    with pytest.raises(ValueError, match="rise"):
        converged([200, 100], [0.0, 1.0])


def test_half_way_is_interpolated_on_a_logarithmic_axis():
    assert midpoint_step(STEPS, [0.0, 0.0, 1.0, 1.0]) == pytest.approx(200 * math.sqrt(2))
    assert midpoint_step(STEPS, [0.0, 0.5, 1.0, 1.0]) == pytest.approx(200)
    assert midpoint_step(STEPS, [0.6, 0.7, 1.0, 1.0]) == 100, "it may have been earlier"


def table(same):
    rows = {"task": "t", "step": STEPS, "accuracy": [0.0, 0.0, 0.9, 0.9], "logit_diff": [0.0, 4.0, 8.0, 8.0]}
    return pd.DataFrame(rows | {"same": same, "relabelled": 0.2})


def test_timing_counts_octaves():
    found = timing(table([0.2, 0.2, 0.2, 0.6])).loc["t"]
    assert (found["answers from"], found["answers to"], found["edges to"]) == (200, 400, 800)
    assert (found["answers half by"], found["margin half by"], found["edges half by"]) == (400, 200, 800)
    assert found["lag"] == pytest.approx(1) and found["margin lag"] == pytest.approx(1.5)
    early = timing(table([0.2, 0.6, 0.6, 0.6])).loc["t"]
    assert early["lag"] == pytest.approx(-1)


def test_order_by_its_interval():
    assert order(Estimate(0.5, 0.1, 0.9)) == "after" and order(Estimate(-0.5, -0.9, -0.1)) == "before"
    assert order(Estimate(0.1, -0.3, 0.9)) == "together" and order(Estimate(0.1, -0.3, 1.4)) == "undecided"


def test_ways_by_hand():
    found = trajectories(table([0.2, 0.2, 0.4, 0.6]))
    assert found["edges"].tolist() == pytest.approx([0, 0, 0.5, 1])
    assert found["answers"].tolist() == [0, 0, 1, 1] and found["margin"].tolist() == [0, 0.5, 1, 1]


def test_a_jump_of_all_measures_at_once():
    assert jump(STEPS, [0.0, 0.05, 0.9, 0.9], [0.0, 0.0, 0.6, 0.9]) == (200, 400)
    assert jump(STEPS, [0.0, 0.05, 0.9, 0.9], [0.0, 0.0, 0.0, 0.9]) is None, "not in the same interval"
    assert jump(STEPS, [0.0, 0.2, 0.9, 0.9]) is None, "it had begun"
