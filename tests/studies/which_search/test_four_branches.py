"""Four branches whose scores are known: conductance has their order and signs, integrated gradients hasn't.

By hand, with z from 0 to 1 along the way:

| branch       | h(z)                 | f'(h) along the way       | adds f(h(1)) | mean f'                   |
|--------------|----------------------|---------------------------|--------------|---------------------------|
| steady       | z                    | 1                         | 1            | 1                         |
| early        | 4z, from z = 1/4 on 1| 0, from z = 1/8 on 1.6    | 1.6 / 2 = .8 | 1.6 * 7/8 = 1.4           |
| late         | 0, from 3/4 on 4z - 3| 0, from z = 7/8 on 2.4    | 2.4 / 2 = 1.2| 2.4 / 8 = .3              |
| overshooting | as early             | 1.8, from z = 1/8 on -.6  | .9 - .3 = .6 | (1.8 - 7 * .6) / 8 = -.3  |

The slope f' changes where h is 1/2. Each h goes from 0 to 1, so cutting costs what the branch adds; CEAP is that, too,
in the limit of many steps; EAP-IG is the mean of f', and EAP at the clean run the last f': 1, 1.6, 2.4, -.6.

With five steps CEAP takes f' at z = 0, .2, .4, .6, .8, where early's h is 0, .8, 1, 1, 1 and late's 0, 0, 0, 0, .2: so
early has 0 * .8 + 1.6 * .2 = .32, late nothing (its slope is 0 at all five), overshooting 1.8 * .8 - .6 * .2 = 1.32.
EAP-IG's middles .1, .3, .5, .7, .9 meet early's slope in four of five, 1.28, and late's in one, .48; overshooting has
(1.8 - 4 * .6) / 5 = -.12.
"""

import numpy as np
import pytest

from helpers.circuits.graph import Graph
from helpers.studies.which_search.four_branches import (
    BRANCHES,
    branch_scores,
    branches_figure,
    edge_of,
    finding,
    four_branches,
    slope,
    value,
)

EXACT = [1.0, 0.8, 1.2, 0.6]
EAP_IG = [1.0, 1.4, 0.3, -0.3]


@pytest.fixture(scope="module")
def scores():
    return branch_scores()


def test_cutting_a_branch_costs_what_it_adds(scores):
    assert scores["exact"].tolist() == pytest.approx(EXACT, abs=0.01)


def test_conductance_is_what_a_branch_adds_and_integrated_gradients_is_not(scores):
    assert scores["CEAP"].tolist() == pytest.approx(EXACT, abs=0.06), "200 steps"
    assert scores["EAP-IG"].tolist() == pytest.approx(EAP_IG, abs=0.01)
    assert scores["EAP"].tolist() == pytest.approx([1.0, 1.6, 2.4, -0.6], abs=0.01)


def test_the_order_and_the_signs(scores):
    def order(name: str) -> list[str]:
        return list(scores[name].sort_values(ascending=False).index)

    assert order("exact") == order("CEAP") == ["late", "steady", "early", "overshooting"]
    assert order("EAP-IG") == ["early", "steady", "late", "overshooting"], "the first three turned round"
    assert (scores[["exact", "CEAP"]] > 0).all().all() and scores["EAP-IG"]["overshooting"] < 0
    assert finding(scores) == (
        "Cutting ranks late, steady, early, overshooting, and so does CEAP; EAP-IG early, steady, late, overshooting"
    )


def test_few_steps_are_too_few_for_conductance_too():
    coarse = branch_scores(steps=5)
    assert coarse["CEAP"].tolist() == pytest.approx([1.0, 0.32, 0.0, 1.32], abs=0.01)
    assert coarse["EAP-IG"].tolist() == pytest.approx([1.0, 1.28, 0.48, -0.12], abs=0.01)
    assert "CEAP" not in finding(coarse).partition(";")[0], "a finding is read off the scores"


def test_the_scores_are_the_integrals_of_the_functions(scores):
    way = np.linspace(0, 1, 100_001)
    middle = (way[1:] + way[:-1]) / 2
    for branch in BRANCHES:
        moved = np.diff(value(branch.first, way))
        slopes = slope(branch.second, value(branch.first, middle))
        assert (slopes * moved).sum() == pytest.approx(scores["exact"][branch.name], abs=0.01)
        assert slopes.mean() * moved.sum() == pytest.approx(scores["EAP-IG"][branch.name], abs=0.01)


def test_the_model_has_the_edges():
    planted = four_branches()
    graph = Graph.from_model(planted.model)
    assert graph.n_layers == 8 and planted.edges == {edge_of(n) for n in range(4)}
    assert all(graph.edges[graph.place(edge)] for edge in planted.edges)


def test_the_figure_tells_all_scores(scores):
    figure = branches_figure(scores)
    told = [annotation.text for annotation in figure.layout.annotations]
    for name, row in scores.iterrows():
        (text,) = [text for text in told if f"<b>{name}</b>" in text]
        assert all(f"{search} {score:.2f}" in text for search, score in row.items())
    assert figure.layout.title.text == finding(scores) and len(figure.data) == 8
    for branch, written in zip(BRANCHES, figure.data[::2], strict=True):
        assert written.y[0] == 0 and written.y[-1] == pytest.approx(1), branch.name
