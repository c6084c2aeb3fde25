"""What random circuits refuse; that they are random is in the tests of searches, which they are the baseline of."""

import numpy as np
import pytest

from helpers import Circuit, Graph, random_circuit
from helpers.circuits.circuit import permute_heads

GRAPH = Graph(2, 4, 2)
LIKE = random_circuit(GRAPH, 20)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give the number of edges, or a circuit to be like"),
        ({"n": 3, "like": LIKE}, "give the number of edges, or a circuit to be like"),
        ({"n": 0.5}, "n has to be a whole number, not 0.5"),
        ({"n": True}, "n has to be a whole number, not True"),
        ({"n": -1}, "n has to be greater than or equal to 0"),
        ({"n": 3, "seed": -1}, "seed has to be greater than or equal to 0"),
        ({"n": 3, "seed": 2**70}, "seed has to be less than"),
        ({"n": 3, "seed": None}, "seed has to be a whole number, not None"),
        ({"like": random_circuit(Graph(2, 4, 4), 3)}, r"like is of Graph\(.*n_groups=4\), and graph is Graph"),
        ({"like": ["m0->m1"]}, "like has to be an instance of Circuit, not"),
        ({"n": 3, "graph": None}, "graph has to be an instance of Graph, not None"),
    ],
)
def test_a_random_circuit_is_of_one_graph_and_one_kind(options, says):
    with pytest.raises(ValueError, match=says):
        random_circuit(**{"graph": GRAPH} | options)


def test_orders_may_be_anything_that_holds_whole_numbers():
    turned = permute_heads(LIKE, [[2, 3, 0, 1]] * 2)
    assert turned != LIKE and permute_heads(turned, [*np.array([[2, 3, 0, 1]] * 2)]) == LIKE
    assert permute_heads(LIKE, [range(4)] * 2) == LIKE


@pytest.mark.parametrize(
    "orders", [[], [3, 3], [[0, 1, 2, 3]], [[0, 1, 2, 3.0]] * 2, ["0123"] * 2, [[0, 1, 2, -1]] * 2, [[0, 1, 2, 2]] * 2]
)
def test_other_orders_are_refused(orders):
    with pytest.raises(ValueError, match="there must be 2 orders, each with the heads 0 to 3 once|orders.* has to be"):
        permute_heads(LIKE, orders)


def test_heads_of_a_circuit_only():
    with pytest.raises(ValueError, match="circuit has to be an instance of Circuit, not 'LIKE'"):
        permute_heads("LIKE", [[0, 1, 2, 3]] * 2)
    assert isinstance(permute_heads(Circuit.empty(GRAPH), [range(4)] * 2), Circuit)
