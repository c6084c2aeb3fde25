"""Numbers for figures, by hand."""

import pandas as pd
import pytest

from helpers import Circuit, Graph
from helpers.studies.edited_circuits import summaries

ABOUT = {"model": "m", "relation": "r"}


def reads(leads, subject="s", editor="e", place="last"):
    rows = dict(stop=range(-1, len(leads) - 1), lead=leads, subject=subject, editor=editor, layer=0, place=place)
    return pd.DataFrame(rows).assign(**ABOUT)


def test_edges_by_the_layer_that_reads():
    graph = Graph(2, 2, 2)
    before = Circuit.from_edges(graph, ["embed->a0.h0<v>", "a0.h0->m1", "m1->logits"])
    after = Circuit.from_edges(graph, ["embed->a0.h0<v>", "a0.h0->logits"])
    table = summaries.by_layer(before, after).set_index("layer")
    assert table.kept.tolist() == [1, 0, 0] and table.lost.tolist() == [0, 1, 1] and table.gained.tolist() == [0, 0, 1]


def test_half_way_is_for_good():
    assert summaries.half_way([-1, 3, 1, 2, 4]) == 3 and summaries.half_way([5, 4]) == 0
    assert summaries.half_way([0, 1, 2, 4], share=1.0) == 3


def test_effects_are_shares_of_the_final_one():
    plain = pd.concat([reads([-2.0, -2.0, -4.0], editor="unedited"), reads([0.0] * 3, "other", "unedited")])
    table = pd.concat([plain.assign(layer=-1), reads([-2.0, 1.0, 4.0]), reads([0.0, 10.0, 10.0], "other")])
    wide = summaries.effects(table, "e", 0)
    assert wide.to_numpy().tolist() == [[0.0, 1.0, 1.0], [0.0, 0.375, 1.0]]
    assert summaries.half_ways(table, "e", 0).tolist() == [0, 1]
    line = summaries.lines(table, {"one": ("e", 0)})["one"]
    assert [float(value) for value in line] == [0.0, 0.6875, 1.0]


def test_means_count_each_fact_once():
    rows = pd.DataFrame(dict(subject=["s", "s", "t"], to="x", shared=[0.0, 1.0, 1.0])).assign(**ABOUT)
    assert float(summaries.means(rows, ["to"], "shared")["x"]) == 0.75


def test_heads_and_pairs():
    rows = pd.DataFrame(
        dict(
            editor=["unedited", "unedited", "unedited", "e", "e", "e", "e"],
            layer=[-1, -1, -1, 0, 0, 0, 0],
            way=["a1.h0", "a1.h1", "a0.h0", "a1.h0", "a1.h1", "a0.h0", "all heads above"],
            share=[0.5, 0.1, 0.9, 0.6, 0.2, 0.0, 1.0],
        )
    )
    table = summaries.heads_against(rows, "e", 0)
    assert table.to_numpy().tolist() == [[0.5, 0.6], [0.1, 0.2]]
    assert summaries.correlation(table.old, table.new) == pytest.approx(1)
    both = pd.DataFrame(dict(subject=["s", "s", "t"], to=["x", "y", "x"], shared=[0.7, 0.5, 0.1])).assign(**ABOUT)
    assert float(summaries.paired(both, "to", "shared", "x", "y")) == pytest.approx(0.2)
