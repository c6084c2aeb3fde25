"""The front page's figure: two questions at once, and one circuit at a time."""

import numpy as np
import pandas as pd
import pytest
from _tools.page_figures import numbers_table

from helpers import Circuit, Graph, run_circuit
from helpers.atlas.planted import planted_induction
from helpers.studies import front_page
from helpers.studies.front_page import answers_kept, edge_trace, prefers_right, thinning_picture


@pytest.fixture(scope="module")
def planted():
    return planted_induction()


@pytest.fixture(scope="module")
def circuits(planted):
    graph = Graph.from_model(planted.model)
    truth = Circuit.from_edges(graph, planted.edges)
    return {"all": Circuit.full(graph), "true": truth, "none": Circuit.empty(graph)}


@pytest.fixture(scope="module")
def pair(planted):
    return planted.pairs.select([0])


def test_the_true_circuit_says_the_right_answer_and_an_empty_one_the_other(planted, circuits, pair):
    told = answers_kept(planted.model, circuits, pair)
    assert list(told.index) == list(circuits) and told.edges["true"] == len(planted.edges)
    assert told.right["true"] == pytest.approx(told.right["all"], abs=0.05) and told.right["true"] > told.wrong["true"]
    assert told.wrong["none"] > told.right["none"]
    chances = run_circuit(planted.model, circuits["none"], pair)[0].softmax(-1)
    assert told.wrong["none"] == pytest.approx(chances[pair.wrong_ids[0]].item())


def test_more_than_one_question_is_refused(planted, circuits):
    with pytest.raises(ValueError, match="one pair is shown"):
        answers_kept(planted.model, circuits, planted.pairs)


@pytest.fixture(scope="module")
def figure(planted, circuits, pair):
    told = answers_kept(planted.model, circuits, pair)
    return thinning_picture(circuits, told, pair, start="true", title="finding", subtitle="beside")


def visible(figure) -> list:
    return [trace for trace in figure.data if trace.visible is not False]


def bars(figure):
    return next(trace for trace in visible(figure) if trace.type == "bar")


def test_one_circuit_is_shown_at_a_time(figure, circuits):
    assert sum(trace.type == "bar" for trace in figure.data) == len(circuits)
    assert len(visible(figure)) == 2 + 3
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == list(circuits) and slider.active == 1
    for number, step in enumerate(slider.steps):
        shown = step.args[0]["visible"]
        assert shown[:2] == [True, True] and shown[2:].index(True) == 3 * number and sum(shown) == 5


def test_the_bars_add_up_to_one(figure):
    assert sum(bars(figure).x) == pytest.approx(1) and bars(figure).y[2] == "anything else"


def test_the_picture_holds_the_circuits_edges(figure, circuits):
    kept = next(trace for trace in visible(figure) if trace.name == "kept edges")
    gaps = sum(value != value for value in kept.x)
    assert gaps == circuits["true"].n_edges
    everything = next(trace for trace in figure.data if trace.name == "all edges")
    assert 0 < sum(value != value for value in everything.x) <= circuits["all"].n_edges


def test_of_many_edges_some_are_drawn(circuits, monkeypatch):
    """A large model's lines would be a grey mass of some megabytes."""
    monkeypatch.setattr(front_page, "DRAWN", 5)
    few = edge_trace(circuits["all"], "corrupt", 1, 1, name="all edges")
    assert 0 < sum(value != value for value in few.x) <= 5
    np.testing.assert_equal(few.x, edge_trace(circuits["all"], "corrupt", 1, 1, name="all edges").x)


def test_how_often_a_circuit_prefers_the_right_answer(planted, circuits):
    assert prefers_right(planted.model, circuits["true"], planted.pairs) == 1
    assert prefers_right(planted.model, circuits["none"], planted.pairs) == 0


def test_its_numbers_follow_as_a_table(figure, circuits):
    table = numbers_table(figure.to_dict())
    assert all(label in table for label in circuits) and "said" in table


def test_wrong_labels_are_refused(planted, circuits, pair):
    told = answers_kept(planted.model, circuits, pair)
    with pytest.raises(ValueError, match="different labels"):
        thinning_picture(circuits, told.iloc[::-1], pair, start="all", title="t", subtitle="")
    with pytest.raises(ValueError, match="choose one of"):
        thinning_picture(circuits, pd.DataFrame(told), pair, start="half", title="t", subtitle="")
