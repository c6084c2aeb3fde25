"""Shapes of known models have the right edges, obey the laws and can be searched; machines get estimates."""

from dataclasses import replace

import pytest

from helpers import Circuit, Graph, eap_ig, load_model, run_circuit
from helpers.atlas.skills import random_pairs
from helpers.circuits.memory import Shape
from helpers.models.predict import logits_after
from helpers.studies.processes import alone
from helpers.studies.tables import read_table
from helpers.studies.your_own_model.memory import memory_estimate
from helpers.studies.your_own_model.memory_table import (
    MACHINES,
    SHAPES,
    Case,
    estimated_rows,
    largest_batch,
    measure,
    save_random,
)

# Full width, few layers: a full TinyLlama doesn't fit into a test; `make tables NAME=memory` runs it.
NARROW = {
    "GPT-2 small": replace(SHAPES["GPT-2 small"], n_layers=2, d_vocab=8192, n_ctx=128),
    "TinyLlama": replace(SHAPES["TinyLlama"], n_layers=1, d_vocab=8192),
}


def test_edges_of_known_shapes():
    assert SHAPES["GPT-2 small"].graph.n_edges == 32_491
    assert SHAPES["GPT-2 medium"].graph.n_edges == 231_877
    # TinyLlama by hand. Before layer l there are 1 + 33 l sources; 32 + 4 + 4 inputs of its attention read them, its
    # MLP reads 32 more, and the logits read all 1 + 33 * 22 in the end. The l from 0 to 21 add up to 231.
    attention, mlps, logits = 40 * (22 + 33 * 231), 22 * 33 + 33 * 231, 1 + 33 * 22
    assert SHAPES["TinyLlama"].graph.n_edges == attention + mlps + logits == 314_876


@pytest.fixture(scope="module", params=NARROW)
def narrow(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shape")
    save_random(NARROW[request.param], folder)
    return request.param, folder, load_model(str(folder), device="cpu")


def test_a_saved_shape_is_that_shape(narrow):
    name, _, model = narrow
    assert Shape.from_model(model) == NARROW[name]
    assert Graph.from_model(model) == NARROW[name].graph


def test_laws_and_search_on_a_shape(narrow):
    _, _, model = narrow
    pairs, graph = random_pairs(model, 6, 2), Graph.from_model(model)
    full, empty = (run_circuit(model, c, pairs) for c in (Circuit.full(graph), Circuit.empty(graph)))
    corrupt = logits_after(model, pairs.corrupt_ids)[:, 0]
    size = pairs.clean_logits(model).abs().max()
    assert (full - pairs.clean_logits(model)).abs().max() < 1e-4 * size and (empty - corrupt).abs().max() < 1e-4 * size
    assert eap_ig(model, pairs, steps=2, batch=1).top(50).n_edges == 50


def test_a_case_is_measured(tmp_path):
    name, folder = "GPT-2 small", tmp_path
    save_random(NARROW[name], folder)
    row = alone(measure, Case(name, "float32", "eap", batch=1, tokens=6), folder)
    assert row["edges"] == NARROW[name].graph.n_edges and row["seconds"] > 0
    assert row["peak_gb"] > 0 and row["estimate_gb"] > memory_estimate(NARROW[name], search="load")


def test_the_largest_batch_fits_and_twice_as_many_dont():
    tiny = SHAPES["TinyLlama"]
    n = largest_batch(tiny, 14.5, "eap")
    assert memory_estimate(tiny, search="eap", batch=n) <= 14.5 < memory_estimate(tiny, search="eap", batch=2 * n)
    assert largest_batch(SHAPES["Llama 2 7B"], 14.5, "eap") == 0


def test_the_committed_table():
    table = read_table("memory")
    guessed = estimated_rows()
    kept = table[table.kind == "estimated"].reset_index(drop=True)
    assert set(kept.machine) == set(MACHINES)
    assert (kept.estimate_gb - guessed.estimate_gb).abs().max() < 1e-3
    assert (kept.largest_batch == guessed.largest_batch).all()
    edges = table[table.kind == "measured"].groupby("model").edges.first()
    assert edges["GPT-2 small"] == 32_491 and edges["TinyLlama"] == 314_876
