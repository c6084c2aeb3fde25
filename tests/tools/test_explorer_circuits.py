"""Circuits of the explorer: every size is what the library gives, and numbers name the right edges."""

import pytest
import torch
from _tools.explorer_circuits import Halves, edge_numbers, given, growing, judged, searched, significant, yardstick

from helpers import Circuit, Graph, Scores, eap, faithfulness, random_circuit, relation_pairs

GRAPH = Graph(3, 2, 2)


def drawn_scores(seed: int) -> Scores:
    generator = torch.Generator().manual_seed(seed)
    return Scores(GRAPH, torch.randn(GRAPH.edges.shape, generator=generator))


@pytest.fixture(scope="module")
def halves(atlas) -> Halves:
    return Halves(*(relation_pairs(atlas, "country_capital", 4, split=split) for split in ("train", "test")))


def test_edges_are_numbered_reader_by_reader():
    numbers = edge_numbers(Graph(1, 1, 1))
    # q, k, v and logits see: embed | embed | embed | embed, a0.h0 | all three
    assert numbers.tolist() == [[0, -1, -1], [1, -1, -1], [2, -1, -1], [3, 4, -1], [5, 6, 7]]


@pytest.mark.parametrize("seed", range(5))
def test_every_size_is_what_greedy_search_gives(seed: int):
    scores, sizes = drawn_scores(seed), (3, 5, 12, 30)
    edges, values = growing(scores, sizes)
    numbers = edge_numbers(GRAPH)
    assert len(edges) == len(set(edges)) == 30
    for size in sizes:
        assert set(edges[:size]) == set(numbers[scores.greedy(size).mask].tolist())
    assert [abs(v) for v in values[5:12]] == sorted((abs(v) for v in values[5:12]), reverse=True)
    place = (numbers == edges[7]).nonzero()[0].tolist()
    assert values[7] == pytest.approx(float(scores.values[tuple(place)]), rel=0.01)


def test_numbers_are_rounded_to_digits():
    assert [significant(v) for v in (0.0012349, -12.36, 0.0)] == [0.00123, -12.4, 0.0]
    assert str(significant(-0.0)) == "0.0"


def test_a_search_says_what_the_library_says(atlas, halves: Halves):
    by = yardstick(atlas, halves.test, "corrupt", [10, 20])
    found = searched(atlas, halves, "eap", by, (10, 20))
    circuit = eap(atlas, halves.train).greedy(10)
    assert found["kept"][0] == pytest.approx(float(faithfulness(atlas, circuit, halves.test)), abs=6e-4)
    chance = random_circuit(circuit.graph, 10)
    assert found["random"][0] == pytest.approx(float(faithfulness(atlas, chance, halves.test)), abs=6e-4)
    assert found["low"][1] <= found["kept"][1] <= found["high"][1]
    assert found == searched(atlas, halves, "eap", by, (10, 20)), "the same on each run"


def test_a_given_circuit_keeps_its_edges_and_takes_widths(atlas, halves: Halves):
    graph = Graph.from_model(atlas)
    circuit = Circuit.from_edges(graph, ["embed->m0", "m0->logits", "m5->logits"])
    numbers = {name: int(edge_numbers(graph)[graph.place(name)]) for name in circuit.edges}
    by = yardstick(atlas, halves.test, "corrupt", [3])
    found = given(atlas, halves, circuit, {numbers["m0->logits"]: -2.0, numbers["embed->m0"]: 1.0}, by)
    assert found["edges"] == [numbers[name] for name in ("m0->logits", "embed->m0", "m5->logits")]
    assert found["scores"] == [-2.0, 1.0, 0.0] and found["sizes"] == [3]
    assert found["kept"] == judged(atlas, [circuit], halves.test, by)["kept"]
