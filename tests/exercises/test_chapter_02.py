"""The checks of *Graph construction* take the right answer and reject plausible wrong ones."""

import pytest
import torch

from helpers import Circuit, Graph, PromptPairs, load_model, relation_pairs
from helpers.exercises import chapter_02
from helpers.exercises.kit import Verdict

FIRST_HEADS = ["a0.h0", "a0.h2", "a0.h4"]
CHAINS = [f"embed->{h}<v>" for h in FIRST_HEADS] + [f"{h}->m0" for h in FIRST_HEADS]


@pytest.fixture(scope="module")
def model():
    return load_model("atlas", device="cpu")


@pytest.fixture(scope="module")
def pair(model):
    texts = ["The capital of France is"], ["The capital of Japan is"]
    return PromptPairs.from_prompts(model, *texts, [" Paris"], [" Tokyo"])


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def count(layers, heads, groups, *, readers=None, logits=True, own=True):
    total = 1 + layers * (heads + 1) if logits else 0
    for layer in range(layers):
        earlier = 1 + layer * (heads + 1)
        total += (readers or heads + 2 * groups) * earlier + earlier + (heads if own else 0)
    return total


def test_grouped_edges():
    judge = chapter_02.grouped_edges
    assert judge(count)
    assert "for each head" in message(judge(lambda n, h, g: count(n, h, h)))
    assert "query of its own" in message(judge(lambda n, h, g: count(n, h, g, readers=3 * g)))
    assert "logits" in message(judge(lambda n, h, g: count(n, h, g, logits=False)))
    assert "own layer" in message(judge(lambda n, h, g: count(n, h, g, own=False)))
    assert "not 0" in message(judge(lambda n, h, g: 0))
    assert "attempted" in message(judge(lambda n, h, g: None))


def test_silenced_source():
    graph = Graph(6, 8, 8)

    def judge(keep):
        def without(graph, source):
            return Circuit.from_edges(graph, [e for e in Circuit.full(graph).edges if keep(*e.split("->"), source)])

        return chapter_02.silenced_source(without, graph)

    assert judge(lambda source, reader, asked: source != asked)
    assert "into" in message(judge(lambda source, reader, asked: reader.split("<")[0] != asked))
    assert "into" in message(judge(lambda source, reader, asked: asked not in (source, reader.split("<")[0])))
    assert "whole name" in message(judge(lambda source, reader, asked: not source.startswith(asked)))
    assert "keep what" in message(judge(lambda source, reader, asked: source == asked))
    assert "nothing was cut" in message(judge(lambda source, reader, asked: True))
    assert "edges differ" in message(judge(lambda source, reader, asked: source != asked or reader != "logits"))
    assert "Circuit" in message(chapter_02.silenced_source(lambda graph, source: [], graph))
    assert "attempted" in message(chapter_02.silenced_source(lambda graph, source: None, graph))


def test_zero_cut(model, pair):
    def judge(where, what, keep_all=True):
        def cut(prompt, layer, head, mlp_layer):
            tokens = model.to_tokens(prompt)
            _, cache = model.run_with_cache(tokens)
            wrote = cache[f"blocks.{layer}.attn.hook_result"]

            def hook(x, hook):
                return x - what(wrote, head, layer)

            logits = model.run_with_hooks(tokens, fwd_hooks=[(where.format(layer=layer, mlp=mlp_layer), hook)])
            return logits[0, -1] if keep_all else logits

        return chapter_02.zero_cut(cut, model, pair)

    def silent(wrote, head, layer):  # what everybody would have to lose: here at the head itself
        mask = torch.zeros(wrote.shape[2])
        mask[head] = 1
        return wrote * mask[:, None]

    _, other = model.run_with_cache(pair.corrupt_tokens)
    into_mlp = "blocks.{mlp}.hook_mlp_in"
    assert judge(into_mlp, lambda wrote, head, layer: wrote[:, :, head])
    assert "nothing changed" in message(judge(into_mlp, lambda wrote, head, layer: 0))
    assert "everybody" in message(judge("blocks.{layer}.attn.hook_result", silent))
    corrupt = judge(
        into_mlp,
        lambda wrote, head, layer: (wrote - other[f"blocks.{layer}.attn.hook_result"])[:, :, head],
    )
    assert "corrupt" in message(corrupt)
    assert "none of the layer's heads" in message(judge(into_mlp, lambda wrote, head, layer: wrote.sum(2)))
    behind_norm = judge("blocks.{mlp}.ln2.hook_out", lambda wrote, head, layer: wrote[:, :, head])
    assert "exactly this edge" in message(behind_norm)
    all_positions = judge(into_mlp, lambda wrote, head, layer: wrote[:, :, head], keep_all=False)
    assert "last position" in message(all_positions)
    assert "attempted" in message(chapter_02.zero_cut(lambda *args: None, model, pair))


def test_small_circuit(model):
    pairs = relation_pairs(model, "country_capital", 40, split="test")

    def judge(edges):
        return chapter_02.small_circuit(lambda: edges, model, pairs)

    assert judge([*CHAINS, "m0->logits", "m0->m5", "m5->logits", "m4->logits"])
    assert "attempted" in message(judge(None))
    assert "one text" in message(judge("m0->logits"))
    assert "11 edges" in message(judge([*CHAINS, *(f"m{n}->logits" for n in range(5))]))
    assert "no source" in message(judge(["m9->logits"]))
    assert "no path" in message(judge(["m0->logits", "m5->logits", "m0->m5"]))
    assert "lie on no path" in message(judge([*CHAINS[:3], "a0.h0->m0", "m0->logits"]))
    assert "35%" in message(judge(["embed->a0.h0<v>", "a0.h0->m0", "m0->logits"]))
