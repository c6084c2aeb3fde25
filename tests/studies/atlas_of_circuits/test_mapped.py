"""The map: its committed tables are what the code gives, and its sizes, plane and links are right."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers import Circuit, Graph, load_model
from helpers.studies.asked_relations import REAL_MODEL, asked_templates
from helpers.studies.atlas_of_circuits import chart, sizes
from helpers.studies.atlas_of_circuits.mapped import (
    DRAWS,
    EVERY,
    HALVES,
    KEEP,
    MODELS,
    SIZE,
    SIZED,
    method_row,
    named_people,
    read_map,
    relation_rows,
    sample_rows,
)
from helpers.studies.tables import read_table


def test_every_relation_is_there_with_both_halves():
    table = read_table("map_circuits")
    for model in MODELS:
        own = table[table.model == model]
        assert set(own.relation) == set(asked_templates(model)) and (own.groupby("relation").half.nunique() == 2).all()
        assert own.needed.notna().all() == (model in SIZED)
        if model in SIZE:
            circuits = [*read_map(model, "train").values(), *read_map(model, "test").values()]
            assert {abs(c.n_edges - SIZE[model]) <= 1 for c in circuits} == {True} and len(circuits) == len(own)


def test_a_relation_again():
    atlas, name = load_model("atlas2"), "name_gender"
    kept = read_table("map_circuits").query("model == 'atlas2' and relation == @name")
    again = pd.DataFrame(relation_rows(atlas, name, 0, SIZE["atlas2"], True)).round(4)
    assert again.circuit.tolist() == kept.circuit.tolist() and again.needed.tolist() == kept.needed.tolist()
    numbers = ["faithfulness", "permuted", "random", "model_hit1"]
    assert np.allclose(again[numbers], kept[numbers], atol=2e-3)
    row = read_table("map_methods").query("relation == 'antonym'").iloc[0]
    assert len(read_table("map_methods")) == len(list(asked_templates("atlas2"))[::EVERY])
    found = method_row(atlas, "antonym", 0)
    assert found["edges"] == row.edges and found["shared"] == pytest.approx(row.shared, abs=1e-3)


def test_samples_of_facts_again():
    table = read_table("map_names")
    people = {group.name: group for group in named_people()}
    assert set(table.relation) <= set(people) and table.relation.str.endswith("2 words").any()
    name = table.relation[table.relation.str.endswith("one word")].iloc[0]
    again = pd.DataFrame(sample_rows(load_model("atlas2"), people[name], 1))
    assert again.needed.tolist() == table[table.relation == name].needed.tolist()
    assert (read_table("map_exposures").groupby("relation").size() == DRAWS * len(HALVES)).all()


def test_sizes_are_read_off_between_two():
    assert sizes.crossing([100, 400], [0.5, 1.0], 0.75) == pytest.approx(200), "half-way on a logarithmic axis"
    assert sizes.crossing([100, 400], [0.95, 1.0], 0.9) == 100 and sizes.crossing([100], [0.5], 0.9) == float("inf")
    table = sizes.needed_sizes(KEEP)
    assert set(table.model) == set(MODELS) and set(table[table.model == REAL_MODEL].half) == {"train"}


def test_intervals_come_from_rows_drawn_again():
    table = pd.DataFrame({"group": ["a"] * 50 + ["b"] * 50, "value": np.arange(100.0)})

    def gap(rows: pd.DataFrame) -> float:
        return rows.groupby("group").value.mean().diff().iloc[-1]

    found = sizes.resampled(gap, table, by="group")
    assert float(found) == 50 and 42 < found.low < 47 and 53 < found.high < 58
    ranks = pd.Series(range(20), index=list("abcdefghijklmnopqrst"))
    perfect = sizes.rank_correlation(ranks, ranks**2)
    assert float(perfect) == pytest.approx(1) and perfect.low == pytest.approx(1)
    assert float(sizes.rank_correlation(ranks, -ranks.iloc[5:])) == pytest.approx(-1), "only what both have counts"


def test_a_plane_shows_distances_that_fit_into_it():
    points = np.array([[0, 0], [0.3, 0], [0, 0.4], [0.2, 0.1]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    overlap = pd.DataFrame(1 - distances)
    assert chart.faithful_plane(overlap, chart.plane(overlap)) == pytest.approx(1)


def test_names_lead_into_the_explorer():
    graph = Graph(2, 2, 2)
    edges = (["embed->m0"], ["m0->m1"], ["m1->logits"], ["embed->m0", "m0->m1"])
    circuits = [Circuit.from_edges(graph, names) for names in edges]
    first, second = ({"plural": a, "antonym": b} for a, b in (circuits[:2], circuits[2:]))
    overlap = chart.all_overlaps(first, second)
    assert overlap.loc[("antonym", "0"), ("antonym", "1")] == 0.5
    distances = pd.DataFrame([[0, 4, 1, 4], [4, 0, 4, 3], [1, 4, 0, 4], [4, 3, 4, 0]])
    assert chart.ends_to_others(overlap.index, distances) == pytest.approx(2 / 4), "lines of 1 and 3, couples of 4"
    kinds = dict.fromkeys(first, "linguistic")
    drawn = BeautifulSoup(chart.draw_map(overlap, chart.plane(overlap), kinds, "x", linked="smollm2"), "html.parser")
    register = pd.DataFrame({"nearest": ["antonym", "plural"]}, index=list(first))
    page = BeautifulSoup(chart.register(register, "smollm2").data, "html.parser")
    for links in (drawn.select("a"), page.select("a")):
        assert [link["href"] for link in links] == [f"explorer.html#model=smollm2&relation={name}" for name in first]
    assert all(link["tabindex"] == "-1" for link in drawn.select("a")), "the drawing is hidden from screen readers"
    assert not BeautifulSoup(chart.draw_map(overlap, chart.plane(overlap), kinds, "x"), "html.parser").select("a")


def test_the_legend_of_sizes_tells_each_kind_once():
    rows = [("a", "factual", "train", 100), ("a", "factual", "test", 120), ("b_c", "linguistic", "train", 300)]
    figure = chart.size_figure(pd.DataFrame(rows, columns=["relation", "kind", "half", "needed"]), "t")
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["factual", "linguistic"]
    assert list(figure.layout.yaxis.categoryarray) == ["b c", "a"], "the smallest is drawn on top"
