"""Circuits of lists, where heads look, and what ablating them costs."""

import pytest
import torch

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import hit_at_k
from helpers.components.heads import ablate_heads
from helpers.models.predict import prompt_ids
from helpers.prompts.facts import relation_pairs
from helpers.studies.in_context_learning.demonstrations import (
    KINDS,
    PARTS,
    SHOWN,
    ablation_cost,
    attention_by_part,
    circuit_counts,
    circuits_by_kind,
    new_heads,
    overlaps_by_kind,
    without_heads,
)
from helpers.studies.in_context_learning.few_shot import few_shot_prompts, part_names
from helpers.studies.in_context_learning.list_pairs import as_pairs


@pytest.fixture(scope="module")
def by_hand(atlas2):
    graph = Graph.from_model(atlas2)
    edges = {
        "sentence 1": ["a1.h0->logits", "m2->logits"],
        "sentence 2": ["a1.h0->logits"],
        "query 1": ["a1.h0->logits", "m2->logits"],
        "query 2": ["a1.h0->logits", "a2.h3->logits"],
        "all 1": ["a2.h3->logits", "a4.h1->logits"],
        "all 2": ["a2.h3->logits", "a1.h0->logits"],
    }
    return {name: Circuit.from_edges(graph, own) for name, own in edges.items()}


def test_new_heads_by_hand(by_hand):
    counts = circuit_counts(by_hand).set_index("head")
    assert counts.loc["a1.h0"].tolist() == [2, 2, 1] and counts.loc["a2.h3"].tolist() == [0, 1, 2]
    assert new_heads(counts.reset_index()) == ["a2.h3"]


def test_overlaps_by_hand(by_hand):
    found = overlaps_by_kind(by_hand, draws=3).set_index(["first", "second"])
    assert found.shared["sentence", "sentence"] == pytest.approx(1 / 2)
    assert found.shared["sentence", "query"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found.shared["all", "all"] == pytest.approx(1 / 3)
    assert found.permuted.between(0, 1).all() and len(found) == 6


def test_circuits_are_two_of_each_kind_and_one_size(atlas2):
    sentences = [relation_pairs(atlas2, "plural", 3, split=half) for half in ("train", "test")]
    found = circuits_by_kind(atlas2, sentences, few_shot_prompts("plural", 8, 2, split="train"), 36)
    assert list(found) == [f"{kind} {half}" for half in (1, 2) for kind in KINDS]
    assert {circuit.n_edges for circuit in found.values()} == {36}


def test_attention_is_the_hooks(atlas2):
    shots = few_shot_prompts("country_capital", 3, 2)
    table = attention_by_part(atlas2, shots).set_index("head")
    total = 0.0
    for one in shots:
        _, cache = atlas2.run_with_cache(torch.tensor([prompt_ids(atlas2.tokenizer, one.prompt)]))
        mask = torch.tensor([name in SHOWN for name in part_names(atlas2.tokenizer, one)])
        total += cache["blocks.2.attn.hook_pattern"][0, 4, -1][mask].sum().item() / 3
    assert table.loc["a2.h4", list(SHOWN)].sum() == pytest.approx(total, abs=1e-4)
    assert (table[list(PARTS)].sum(axis=1) - 1).abs().max() < 1e-4
    assert table[[f"even {part}" for part in PARTS]].sum(axis=1).sub(1).abs().max() < 1e-4


def test_ablation_is_that_of_the_library(small, atlas2):
    for model in (small[0], atlas2):
        pairs = as_pairs(model, few_shot_prompts("country_capital", 5, 2))
        sets = {"none": [], "early": ["a0.h3", "a1.h0"], "late": ["a1.h1"]}
        for name, logits in without_heads(model, pairs, sets).items():
            assert torch.allclose(logits, ablate_heads(model, pairs, sets[name]), atol=1e-3), name


def test_cost(atlas2):
    pairs, heads = as_pairs(atlas2, few_shot_prompts("country_capital", 8, 2)), ["a0.h3", "a3.h2"]
    cost = ablation_cost(atlas2, pairs, heads, [["a0.h0", "a3.h0"], ["a0.h1", "a3.h1"]])
    assert cost["without"] == hit_at_k(ablate_heads(atlas2, pairs, heads), pairs, k=1).mean().item()
    assert cost["costs more"] == pytest.approx(cost["without others"] - cost["without"])
    same = ablation_cost(atlas2, pairs, heads, [heads])
    assert same["costs more"] == 0
    with pytest.raises(ValueError, match="at least once"):
        ablation_cost(atlas2, pairs, heads, [])
    with pytest.raises(ValueError, match="is no head"):
        without_heads(atlas2, pairs, {"wrong": ["m3"]})
