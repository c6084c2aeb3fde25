"""Parts don't change results, bfloat16 only rounds, and estimates come near what was measured."""

import json

import pytest
import torch
from small_models import gpt2_shaped, llama_shaped, random_model

from helpers import (
    Circuit,
    Graph,
    acdc,
    eap,
    eap_ig,
    edge_pruning,
    exact_scores,
    faithfulness,
    load_model,
    logit_diff,
    relation_pairs,
    run_circuit,
)
from helpers.circuits import memory
from helpers.circuits.memory import Shape, pairs_at_once, tokens_at_once
from helpers.models.predict import logits_after
from helpers.studies.tables import read_table
from helpers.studies.your_own_model.memory import memory_estimate
from helpers.studies.your_own_model.memory_table import SHAPES

SEARCHES = {
    "eap": eap,
    "eap_ig": eap_ig,
    "activations": lambda *a, **o: eap_ig(*a, variant="activations", **o),
    "exact": exact_scores,
    "edge_pruning": lambda *a, **o: edge_pruning(*a, n_edges=20, steps=8, **o),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_scores_dont_depend_on_the_batch(small, name):
    model, pairs = small
    whole = SEARCHES[name](model, pairs, logit_diff).values
    tolerance = 1e-3 if name == "edge_pruning" else 1e-5
    torch.testing.assert_close(
        SEARCHES[name](model, pairs, logit_diff, batch=1).values, whole, atol=tolerance, rtol=1e-4
    )


@pytest.mark.parametrize("chunk", [1, 3, 5, 100])
def test_scores_dont_depend_on_the_chunk(small, chunk):
    model, pairs = small
    for search in (eap, eap_ig):
        torch.testing.assert_close(
            search(model, pairs, chunk=chunk).values, search(model, pairs).values, atol=1e-5, rtol=1e-4
        )


def test_acdc_and_circuit_runs_dont_depend_on_the_batch(small):
    model, pairs = small
    circuit = acdc(model, pairs, logit_diff, tau=0.1)
    assert acdc(model, pairs, logit_diff, tau=0.1, batch=2) == circuit
    whole, parts = (run_circuit(model, circuit, pairs, batch=n) for n in (None, 1))
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=1e-4)
    kept = [faithfulness(model, circuit, pairs, batch=n) for n in (None, 1)]
    assert kept[0] == pytest.approx(kept[1], abs=1e-4)


def test_little_memory_changes_no_result(small, monkeypatch):
    model, pairs = small
    before = eap_ig(model, pairs).values, acdc(model, pairs, logit_diff, tau=0.1)
    monkeypatch.setattr(memory, "WORKING", 1000)
    assert pairs_at_once(Shape.from_model(model), 8) == 1
    torch.testing.assert_close(eap_ig(model, pairs).values, before[0], atol=1e-5, rtol=1e-4)
    assert acdc(model, pairs, logit_diff, tau=0.1) == before[1]


def test_a_chunk_has_a_source(small):
    with pytest.raises(ValueError, match="chunk has to be greater than or equal to 1, not 0"):
        eap(*small, chunk=0)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def halved(request, tmp_path_factory):
    """A small random model in float32 and in bfloat16, with the same weights up to rounding."""
    folder = tmp_path_factory.mktemp(request.param)
    random_model(request.param, folder)
    return [load_model(str(folder), device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")]


def test_the_laws_hold_in_bfloat16(halved):
    _, model = halved
    assert model.W_E.dtype == torch.bfloat16
    pairs, graph = relation_pairs(model, "country_capital", 6, known=False), Graph.from_model(model)
    size = pairs.clean_logits(model).abs().max()
    corrupt = logits_after(model, pairs.corrupt_ids)[:, 0]
    assert (run_circuit(model, Circuit.full(graph), pairs) - pairs.clean_logits(model)).abs().max() < 0.03 * size
    assert (run_circuit(model, Circuit.empty(graph), pairs) - corrupt).abs().max() < 0.03 * size
    assert (corrupt - pairs.clean_logits(model)).abs().max() > 0.05 * size


@pytest.mark.parametrize("name", ["eap", "eap_ig", "activations", "exact"])
def test_bfloat16_only_rounds_scores(halved, name):
    scores = [
        SEARCHES[name](model, relation_pairs(model, "country_capital", 6, known=False), logit_diff).values
        for model in halved
    ]
    assert scores[1].dtype == torch.float32
    together = torch.corrcoef(torch.stack([s.flatten() for s in scores]))[0, 1]
    assert together > (0.9 if name == "exact" else 0.98)  # small differences of large numbers are rounded most


def test_other_searches_run_in_bfloat16(halved):
    _, model = halved
    pairs = relation_pairs(model, "country_capital", 4, known=False)
    assert acdc(model, pairs, logit_diff, tau=1.0).n_edges < Graph.from_model(model).n_edges
    assert torch.isfinite(edge_pruning(model, pairs, n_edges=20, steps=2).values).all()
    with pytest.raises(ValueError, match="float32. or .bfloat16"):
        load_model("atlas", dtype="float8")


@pytest.mark.parametrize("shape", ["gpt2", "llama"])
def test_the_shape_counts_the_weights(tmp_path, shape):
    own = Shape.from_model(random_model(shape, tmp_path))
    weights = sum(p.numel() for p in {"gpt2": gpt2_shaped, "llama": llama_shaped}[shape]().parameters())
    assert own.parameters == pytest.approx(weights, rel=0.01)
    assert own.tied == (shape == "gpt2") and own.gated == (shape == "llama")


def test_known_shapes():
    assert SHAPES["GPT-2 small"].parameters == pytest.approx(124.4e6, rel=0.01)
    assert SHAPES["GPT-2 medium"].parameters == pytest.approx(354.8e6, rel=0.01)
    assert SHAPES["TinyLlama"].parameters == pytest.approx(1.1e9, rel=0.01)


def test_parts_are_small_enough():
    for shape in SHAPES.values():
        assert pairs_at_once(shape, 10) * shape.row * 10 <= memory.WORKING
        assert pairs_at_once(shape, 10, copies=8.0) <= pairs_at_once(shape, 10) <= memory.MOST_PAIRS
    assert pairs_at_once(SHAPES["TinyLlama"], 10_000) == 1
    assert tokens_at_once(100, memory.WORKING // 7) == 7 and tokens_at_once(3, 1) == 3


def test_shapes_and_parts_are_counts():
    for shape in ((0, 1, 1, 8, 32, 99), (1, 1, 1, 8.5, 32, 99), (1, 1, 1, 8, None, 99)):
        with pytest.raises(ValueError, match="Shape: .* has to be"):
            Shape(*shape)
    tiny = SHAPES["TinyLlama"]
    for tokens, copies in ((0, 1.0), (-3, 1.0), (1.5, 1.0), (8, 0.0), (8, float("nan"))):
        with pytest.raises(ValueError, match="pairs_at_once: .* has to be"):
            pairs_at_once(tiny, tokens, copies)
    with pytest.raises(ValueError, match="bytes_each has to be greater than or equal to 1, not 0"):
        tokens_at_once(3, 0)
    with pytest.raises(ValueError, match="model has to be a model that load_model gave, not None"):
        Shape.from_model(None)


def test_the_estimate_grows_as_it_should():
    tiny = SHAPES["TinyLlama"]
    assert memory_estimate(tiny, search="load") == pytest.approx(4.4, rel=0.01)
    more = [memory_estimate(tiny, 10, batch=n) for n in (1, 8, 64)]
    assert more == sorted(more) and more[2] - more[0] > 3
    assert memory_estimate(tiny, 10, batch=8, chunk=20) < memory_estimate(tiny, 10, batch=8)
    with pytest.raises(ValueError, match="load, run_circuit, eap"):
        memory_estimate(tiny, search="guess")


def test_estimates_come_near_what_was_measured():
    table = read_table("memory").query("kind == 'measured'")
    assert len(table) >= 8
    ratio = table.estimate_gb / table.peak_gb
    assert ratio.between(1 / 1.5, 1.5).all(), json.dumps(dict(zip(table.search, ratio, strict=False)))
    assert (table.peak_gb < 10).all()
