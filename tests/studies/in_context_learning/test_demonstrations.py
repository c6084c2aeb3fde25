"""Where heads look in lists, which are new, and what their silence costs."""

import pytest
import torch

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import hit_at_k
from helpers.components.heads import ablate_heads
from helpers.models.predict import prompt_ids
from helpers.studies.in_context_learning.demonstrations import (
    LINES,
    attention_to_lines,
    circuits_by_lines,
    cost_of_silence,
    new_heads,
    overlap_by_lines,
)
from helpers.studies.in_context_learning.few_shot import as_pairs, few_shot_prompts, part_names


def test_new_heads_by_hand(atlas):
    graph = Graph.from_model(atlas)

    def circuit(*heads):
        return Circuit.from_edges(graph, [f"{h}->logits" for h in heads])

    circuits = {
        "with lines, 1": circuit("a1.h0", "a2.h3", "a4.h1"),
        "with lines, 2": circuit("a1.h0", "a2.h3", "a5.h2"),
        "without, 1": circuit("a1.h0"),
        "without, 2": circuit("a5.h2"),
    }
    assert new_heads(circuits) == ["a2.h3"]


def test_circuits_have_names_and_one_size(atlas):
    circuits = circuits_by_lines(atlas, few_shot_prompts("plural", 6, 2, split="train"), share=0.01)
    assert list(circuits) == ["with lines, 1", "with lines, 2", "without, 1", "without, 2"]
    assert {c.n_edges for c in circuits.values()} == {36}


def test_attention_is_the_hooks(atlas):
    shots = few_shot_prompts("country_capital", 3, 2)
    table = attention_to_lines(atlas, shots).set_index("head")
    total = 0.0
    for one in shots:
        _, cache = atlas.run_with_cache(torch.tensor([prompt_ids(atlas.tokenizer, one.prompt)]))
        mask = torch.tensor([name in LINES for name in part_names(atlas.tokenizer, one)])
        total += cache["blocks.2.attn.hook_pattern"][0, 4, -1][mask].sum().item() / 3
    assert table.lines["a2.h4"] == pytest.approx(total, abs=1e-4)
    parts = table[["first", *LINES, "query", "end"]].sum(axis=1)
    assert parts.sub(1).abs().max() < 1e-4 and 0.5 < table.uniform.iloc[0] < 1


def test_either_shape_looks_and_can_be_silenced(small):
    model, _ = small
    shots = few_shot_prompts("country_capital", 3, 2)
    table = attention_to_lines(model, shots).set_index("head")
    assert (table[["first", *LINES, "query", "end"]].sum(axis=1) - 1).abs().max() < 1e-4 and len(table) == 8
    cost = cost_of_silence(model, as_pairs(model, shots), ["a0.h3", "a1.h0"], draws=2)
    assert 0 <= cost["without"] <= 1
    circuits = circuits_by_lines(model, few_shot_prompts("plural", 6, 2, split="train"), share=0.2)
    assert set(new_heads(circuits)) <= set(table.index)


def test_silence(atlas):
    pairs = as_pairs(atlas, few_shot_prompts("country_capital", 8, 2))
    cost = cost_of_silence(atlas, pairs, ["a0.h7", "a3.h2"], draws=3)
    assert cost["without"] == hit_at_k(ablate_heads(atlas, pairs, ["a0.h7", "a3.h2"]), pairs, k=1).mean().item()
    assert cost["costs more"] == pytest.approx(cost["without others"] - cost["without"])
    nothing = cost_of_silence(atlas, pairs, [], draws=2)
    assert nothing["all heads"] == nothing["without"] and nothing["costs more"] == 0
    with pytest.raises(ValueError, match="is no head"):
        cost_of_silence(atlas, pairs, ["m3"])
    with pytest.raises(ValueError, match="at least once"):
        cost_of_silence(atlas, pairs, ["a0.h7"], draws=0)
    with pytest.raises(ValueError, match="there are without, 1"):
        new_heads({"without, 1": Circuit.full(Graph.from_model(atlas))})


def test_overlap_by_lines_by_hand(atlas):
    graph = Graph.from_model(atlas)
    kept = [["a1.h0->logits", "m2->logits"], ["a1.h0->logits"], ["m2->logits"], ["m2->logits", "m3->logits"]]
    names = ["with lines, 1", "with lines, 2", "without, 1", "without, 2"]
    circuits = {n: Circuit.from_edges(graph, edges) for n, edges in zip(names, kept, strict=True)}
    found = overlap_by_lines(circuits, draws=4)
    assert found.iloc[:3].tolist() == pytest.approx([1 / 2, 1 / 2, (1 / 2 + 1 / 3 + 0 + 0) / 4])
    assert 1 / 3 <= found["other heads"] <= 1  # the MLP's edge stays
