"""Progress by hand: ratios of means over tasks, with chance taken away."""

import pandas as pd
import pytest

from helpers.studies.how_circuits_form.grafts import PARTS
from helpers.studies.how_circuits_form.views import NAMES, WORK, ahead, gains, progress, regained


@pytest.fixture
def own():
    rows = [  # two tasks at two steps
        ("a", 1, 1.0, 0.3, 0.2, 0.5, 0.4),
        ("b", 1, 3.0, 0.2, 0.2, 0.7, 0.4),
        ("a", 9, 4.0, 0.5, 0.2, 0.9, 0.3),
        ("b", 9, 4.0, 0.4, 0.3, 0.7, 0.5),
    ]
    columns = ["task", "step", "margin", "shared", "shared_permuted", "in_final", "in_final_permuted"]
    return gains(pd.DataFrame(rows, columns=columns).assign(run="r", group="g"))


def test_progress_is_a_ratio_of_means(own):
    assert float(progress(own, 1, "margin")) == pytest.approx(4 / 8)
    assert float(progress(own, 1, NAMES)) == pytest.approx(0.1 / 0.4)
    assert float(progress(own, 1, WORK)) == pytest.approx(0.4 / 0.8)
    assert progress(own, 9, WORK).row() == pytest.approx((1, 1, 1))


def test_ahead_is_the_distance_from_the_margin(own):
    assert float(ahead(own, 1, NAMES)) == pytest.approx(0.25 - 0.5)
    assert float(ahead(own, 1, WORK)) == pytest.approx(0)
    assert ahead(own, 9, WORK).row() == pytest.approx((0, 0, 0))


def test_what_a_graft_brings():
    margins = {"none": (1.0, 2.0), "attention": (2.0, 2.0), " + ".join(PARTS): (3.0, 4.0)}
    rows = [(parts, task, value) for parts, both in margins.items() for task, value in zip("ab", both, strict=True)]
    table = pd.DataFrame(rows, columns=["parts", "task", "margin"])
    assert float(regained(table, "attention")) == pytest.approx(0.25)
    assert regained(table, "none").row() == (0, 0, 0) and regained(table, " + ".join(PARTS)).row() == (1, 1, 1)
