"""The checks of *Graph construction* take the right answer and reject plausible wrong ones."""

import pytest
import torch

from helpers import Circuit, Graph, PromptPairs, load_model
from helpers.exercises import chapter_02
from helpers.exercises.kit import Verdict

EDGES = ("m0->a23.kv1<v>", "a23.h4->logits", "m24->logits", "m29->logits")
RIGHT = dict(zip(EDGES, (False, False, True, True), strict=True))


@pytest.fixture(scope="module")
def model():
    return load_model("atlas2", device="cpu")


@pytest.fixture(scope="module")
def pair(model):
    texts = ["The capital of France is"], ["The capital of Japan is"]
    return PromptPairs.from_prompts(model, *texts, [" Paris"], [" Tokyo"], first_token=True)


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def count(layers, heads, groups, *, logits=True, own=False, mlp=True):
    total = 1 + layers * (heads + 1) if logits else 0
    for layer in range(layers):
        earlier = 1 + layer * (heads + 1)
        total += (heads + 2 * groups + mlp) * earlier + (heads if own else 0)
    return total


def test_parallel_edges():
    judge = chapter_02.parallel_edges
    assert judge(count)
    assert "for each head" in message(judge(lambda n, h, g: count(n, h, h)))
    assert "own layer" in message(judge(lambda n, h, g: count(n, h, g, own=True)))
    assert "logits" in message(judge(lambda n, h, g: count(n, h, g, logits=False)))
    assert "left the MLPs out" in message(judge(lambda n, h, g: count(n, h, g, mlp=False)))
    assert "not 0" in message(judge(lambda n, h, g: 0))
    assert "attempted" in message(judge(lambda n, h, g: None))


def test_ablated_source():
    graph = Graph(6, 8, 8)

    def judge(keep):
        def without(graph, source):
            return Circuit.from_edges(graph, [e for e in Circuit.full(graph).edges if keep(*e.split("->"), source)])

        return chapter_02.ablated_source(without, graph)

    assert judge(lambda source, reader, asked: source != asked)
    assert "into" in message(judge(lambda source, reader, asked: reader.split("<")[0] != asked))
    assert "into" in message(judge(lambda source, reader, asked: asked not in (source, reader.split("<")[0])))
    assert "whole name" in message(judge(lambda source, reader, asked: not source.startswith(asked)))
    assert "keep what" in message(judge(lambda source, reader, asked: source == asked))
    assert "nothing was cut" in message(judge(lambda source, reader, asked: True))
    assert "edges differ" in message(judge(lambda source, reader, asked: source != asked or reader != "logits"))
    assert "Circuit" in message(chapter_02.ablated_source(lambda graph, source: [], graph))
    assert "attempted" in message(chapter_02.ablated_source(lambda graph, source: None, graph))


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
    assert "all its readers" in message(judge("blocks.{layer}.attn.hook_result", silent))
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


def test_another_question():
    smol = load_model("smollm2", device="cpu")

    def judge(given):
        return chapter_02.another_question(given.get, smol)

    assert judge(RIGHT)
    assert "same in both prompts" in message(judge(RIGHT | {EDGES[0]: True}))
    assert "whatever is asked" in message(judge(RIGHT | {EDGES[1]: True}))
    assert "depends on the question" in message(judge(RIGHT | {EDGES[3]: False}))
    assert "True or False" in message(judge(RIGHT | {EDGES[2]: "yes"}))
    assert "attempted" in message(judge({}))
