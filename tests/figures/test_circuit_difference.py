"""Two circuits in one picture: every edge is drawn once, in the colour of what became of it."""

import pytest

from helpers import Circuit, Graph
from helpers.figures.display import COLORS
from helpers.studies.edited_circuits.edited_circuits import circuit_difference

GRAPH = Graph(2, 2, 2)
BEFORE = Circuit.from_edges(GRAPH, ["embed->a0.h0<v>", "a0.h0->m1", "m1->logits"])
AFTER = Circuit.from_edges(GRAPH, ["embed->a0.h0<v>", "a0.h0->logits"])


def test_each_edge_has_the_colour_of_its_change():
    figure = circuit_difference(BEFORE, AFTER, title="x")
    lines = {t.line.color: len(t.x) // 4 for t in figure.data if t.mode == "lines" and t.x[0] is not None}
    assert lines == {COLORS["other"]: 1, COLORS["corrupt"]: 2, COLORS["mover"]: 1}
    rows = dict(figure.layout.meta["table"][1:])
    assert rows == {"embed->a0.h0<v>": "kept", "a0.h0->m1": "lost", "m1->logits": "lost", "a0.h0->logits": "gained"}


def test_the_legend_names_only_what_is_there():
    def names(figure):
        return [t.name for t in figure.data if t.mode == "lines" and t.x[0] is None]

    assert names(circuit_difference(BEFORE, AFTER, title="x")) == ["kept", "lost", "gained"]
    assert names(circuit_difference(BEFORE, BEFORE, title="x")) == ["kept"]


def test_circuits_that_cannot_be_compared():
    with pytest.raises(ValueError, match="different graphs"):
        circuit_difference(BEFORE, Circuit.empty(Graph(1, 2, 2)), title="x")
    with pytest.raises(ValueError, match="both circuits are empty"):
        circuit_difference(Circuit.empty(GRAPH), Circuit.empty(GRAPH), title="x")
