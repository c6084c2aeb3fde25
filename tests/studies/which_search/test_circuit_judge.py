"""Areas of known curves, faithfulness and areas as the library has them, overlaps counted by hand."""

import math
from itertools import combinations
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from small_models import planted_chain

from helpers import Graph, cpr_cmd, eap_ig, faithfulness, random_circuit
from helpers.circuits.evaluation import SIZES as SHARES
from helpers.circuits.evaluation import baselines
from helpers.circuits.scores import Scores
from helpers.studies.which_search import circuit_judge, tasks
from helpers.studies.which_search.circuit_judge import Sizes, circuit_rows, estimates, kept, stability_rows

SIZES = Sizes((4, 8, 16, 32, 64, 128), 1000)
SCALE = SimpleNamespace(full=torch.tensor([5.0, 7.0, 6.0]), ablated=torch.tensor([1.0, 3.0, 2.0]))  # 4 apart


def curve(height) -> torch.Tensor:
    """Values of three pairs whose faithfulness is ``height`` of the share of edges."""
    heights = torch.tensor([height(n / SIZES.total) for n in SIZES.edges], dtype=torch.float64)
    return SCALE.ablated + 4 * heights[:, None]


def measured(values, reference=None) -> pd.DataFrame:
    return pd.DataFrame(estimates(values, SCALE, SIZES, reference)).set_index("measure")


def test_sizes_are_the_tables_and_mibs():
    assert set(SIZES.edges) == {*SIZES.few, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
    assert list(SIZES.edges) == sorted(SIZES.edges) and SIZES.edges[-1] == 1000
    assert all(len(few) == 6 for few in circuit_judge.SIZES.values())


def test_areas_of_a_line():
    """Faithfulness = share: under it lies half of the square of 1 less that of 0.001; above it, the rest."""
    table = measured(curve(lambda share: share))
    assert table.value["CPR"] == pytest.approx((1 - SHARES[0] ** 2) / 2)
    assert table.value["CMD"] == pytest.approx(1 - SHARES[0] - (1 - SHARES[0] ** 2) / 2)
    assert table.value["faithfulness"].tolist() == pytest.approx([n / 1000 for n in SIZES.few])


def test_areas_over_octaves():
    """From 4 edges to 128, faithfulness rises by a fifth each time the circuit doubles: one half in the mean."""
    table = measured(curve(lambda share: math.log2(share * 1000 / 4) / 5))
    assert table.value["small CPR"] == pytest.approx(0.5) and table.value["small CMD"] == pytest.approx(0.5)


def test_who_overshoots_wins_cpr_and_loses_cmd():
    honest, loud = curve(lambda share: 0.9), curve(lambda share: 2.5)
    table = measured(loud, honest)
    for name, gain in (("CPR", 1.6), ("CMD", 1.4), ("small CPR", 1.6), ("small CMD", 1.4)):
        width = 1 if "small" in name else 1 - SHARES[0]
        assert table.beyond[name] == pytest.approx(gain * width)
    assert table.beyond_low["CMD"] > 0 and measured(loud, loud).filter(like="beyond").eq(0).all(axis=None)


@pytest.fixture(scope="module")
def chain():
    return planted_chain()


def test_the_librarys_numbers(small):
    model, pairs = small
    graph, scores, scale = Graph.from_model(model), eap_ig(model, pairs), baselines(model, pairs)
    sizes = Sizes((3, 9, 27), graph.n_edges)
    values = kept(model, scores, pairs, sizes, scale)
    assert values.shape == (len(sizes.edges), len(pairs)) and torch.equal(values[-1], scale.full)
    table = pd.DataFrame(estimates(values, scale, sizes)).set_index("measure")
    theirs = cpr_cmd(model, scores, pairs, select="greedy")
    assert (table.value["CPR"], table.value["CMD"]) == pytest.approx((theirs.cpr, theirs.cmd), abs=1e-4)
    for _, row in table.loc["faithfulness"].iterrows():
        expected = faithfulness(model, scores.greedy(int(row.edges)), pairs)
        assert (row.value, row.low, row.high) == pytest.approx(expected.row(), abs=1e-4)


def test_a_planted_circuit_is_worth_all(chain):
    sizes = Sizes((2, 4, 8), Graph.from_model(chain.model).n_edges)
    searches = {"random": tasks.BASELINES["random"], tasks.REFERENCE: eap_ig, "wrong": wrong}
    draws = [chain.pairs, chain.pairs.select([1, 0])]
    table = pd.DataFrame(circuit_rows(chain.model, searches, draws, chain.pairs, sizes))
    at_two = table.query("measure == 'faithfulness' and edges == 2").set_index(["search", "draw"])
    assert at_two.value[tasks.REFERENCE, 0] == pytest.approx(1, abs=1e-3) and at_two.value["wrong", 0] < 0.01
    assert sorted(at_two.index) == [(tasks.REFERENCE, 0), ("random", 0), ("random", 1), ("wrong", 0)]
    assert (table.pairs == len(chain.pairs)).all()
    assert (table.value - table.beyond - reference_of(table)).abs().max() < 1e-6


def wrong(model, pairs):
    """The scores turned round."""
    return Scores(Graph.from_model(model), -eap_ig(model, pairs).values)


def reference_of(table) -> pd.Series:
    own = table[table.search == tasks.REFERENCE].set_index(["measure", "edges"]).value
    return pd.Series([own[row.measure, row.edges] for row in table.itertuples()], table.index)


def test_a_search_that_ignores_its_pairs_is_stable(chain):
    fixed, graph = eap_ig(chain.model, chain.pairs), Graph.from_model(chain.model)
    another = random_circuit(graph, 6, seed=3)
    rows = pd.DataFrame(stability_rows(chain.model, lambda *_: fixed, chain.pairs, another, 4)).set_index("measure")
    assert rows.value["another draw"] == 1 and rows.n["another draw"] == 4
    assert rows.value["another task"] == pytest.approx(fixed.top(6).jaccard(another))
    signed = int((fixed.values[graph.edges] != 0).sum())
    assert rows.value["one sign"] == pytest.approx(signed / graph.n_edges) and rows.n["one sign"] == graph.n_edges
    assert rows.n["one sign, in a circuit"] == 6 and rows.low["one sign"] < rows.value["one sign"]


def test_overlaps_and_signs_counted_by_hand(chain):
    graph, found = Graph.from_model(chain.model), []

    def coins(model, pairs):
        values = torch.randn(graph.edges.shape, generator=torch.Generator().manual_seed(len(found)))
        found.append(Scores(graph, values))
        return found[-1]

    another = random_circuit(graph, 6, seed=3)
    rows = pd.DataFrame(stability_rows(chain.model, coins, chain.pairs, another, 3)).set_index("measure")
    circuits = [scores.top(6) for scores in found]
    shared = [a.jaccard(b) for a, b in combinations(circuits, 2)]
    assert len(found) == 3 and rows.value["another draw"] == pytest.approx(sum(shared) / 3)
    signs = [(scores.values[graph.edges] > 0).tolist() for scores in found]
    same = [len(set(row)) == 1 for row in zip(*signs, strict=True)]
    assert rows.value["one sign"] == pytest.approx(sum(same) / graph.n_edges)
    union = circuits[0] | circuits[1] | circuits[2]
    inside = [flag for flag, chosen in zip(same, union.mask[graph.edges].tolist(), strict=True) if chosen]
    assert rows.value["one sign, in a circuit"] == pytest.approx(sum(inside) / len(inside))


def test_ranks_have_no_sign(chain):
    rows = stability_rows(
        chain.model, tasks.BASELINES["random"], chain.pairs, random_circuit(Graph.from_model(chain.model), 6), 3
    )
    assert [row["measure"] for row in rows] == ["another draw", "another task"]


def test_tasks_are_of_several_kinds_and_stand_beside_others():
    atlas = [task for task in tasks.TASKS if task.model == "atlas"]
    assert len({task.kind for task in atlas}) >= 4 and sum(task.kind != "skill" for task in atlas) >= 6
    assert {task.kind for task in tasks.TASKS if task.model == "smollm2"} == {"factual", "skill"}
    assert all(task.name != task.other for task in tasks.TASKS)
    assert {task.kind for task in tasks.few_tasks("atlas")} == {task.kind for task in atlas}
    assert len(tasks.few_tasks("atlas")) == len(tasks.FEW) and len(tasks.few_tasks("smollm2")) == 2
    assert "exact" in tasks.searches_for(atlas[0]) and "exact" not in tasks.searches_for(tasks.TASKS[-1])


@pytest.mark.parametrize("name", ["thing_color", "indirect_objects", "induction"])
def test_halves_share_no_prompt(atlas, name):
    train, test, again = (tasks.task_pairs(atlas, name, *half) for half in (("train",), ("test",), ("train", 1)))
    assert not set(train.clean + train.corrupt) & set(test.clean + test.corrupt)
    assert len(set(test.clean)) == len(test) <= tasks.PAIRS["test"] and len(train) == tasks.PAIRS["train"]
    assert train.clean != again.clean


def test_another_task_is_searched_whatever_pairs_are_given(atlas):
    task = tasks.TASKS[0]
    found = tasks.another_task(task)(atlas, tasks.task_pairs(atlas, task.name))
    assert torch.equal(found.values, eap_ig(atlas, tasks.task_pairs(atlas, task.other)).values)
