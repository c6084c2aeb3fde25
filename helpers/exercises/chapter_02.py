"""Checks of the exercises in *Graph construction*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.studies.graph_construction.cuts import cut_costs

SHAPES = ((1, 1, 1), (2, 4, 2), (6, 8, 8), (22, 32, 4))
COUNTRIES = (
    ("France", "Paris", "French"),
    ("Germany", "Berlin", "German"),
    ("Italy", "Rome", "Italian"),
    ("Japan", "Tokyo", "Japanese"),
    ("China", "Beijing", "Chinese"),
    ("Russia", "Moscow", "Russian"),
    ("Poland", "Warsaw", "Polish"),
    ("Greece", "Athens", "Greek"),
)
WHY = {
    "m0->a23.kv1<v>": "It carries the country, which is the same in both prompts.",
    "a23.h4->logits": "The head brings the country, whatever is asked of it.",
    "m24->logits": "What a late MLP makes of the country depends on the question.",
    "m29->logits": "What the last MLP makes of the country depends on the question.",
}


@check
def parallel_edges(count_parallel: Callable[[int, int, int], int]) -> None:
    """``count_parallel(layers, heads, groups)`` is the number of edges if a layer's MLP doesn't see its own heads."""
    for layers, heads, groups in SHAPES:
        given = attempted(count_parallel(layers, heads, groups))
        usual = Graph(layers, heads, groups).n_edges
        right = usual - layers * heads
        shape = f"with {layers} layers, {heads} heads and {groups} groups"
        answer = Compared(given, right)  # in some shapes, a wrong way gives the right number
        answer.isnt(usual, f"{shape} you still let each MLP see the {heads} heads of its own layer.")
        answer.isnt(
            Graph(layers, heads, heads).n_edges - layers * heads,
            f"{shape} you count a key and a value for each head; a layer has only {groups} of each.",
        )
        answer.isnt(right - 1 - layers * (heads + 1), f"{shape} the edges into the logits are missing.")
        answer.isnt(
            right - sum(1 + layer * (heads + 1) for layer in range(layers)),
            f"{shape} you left the MLPs out; they still see all that the attention sees.",
        )
        answer.is_right(f"{shape} there are {right:,} edges, not {given:,}.")


@check
def ablated_source(without_source: Callable[[Graph, str], Circuit], graph: Graph) -> None:
    """``without_source(graph, source)`` keeps all edges but those that lead out of the source."""
    for asked, source in ((graph, "a0.h0"), (graph, "m1"), (Graph(12, 2, 2), "m1"), (Graph(2, 12, 12), "a0.h1")):
        given = attempted(without_source(asked, source))
        expect(isinstance(given, Circuit) and given.graph == asked, "give a Circuit of the graph that you were given.")
        full, cut = asked.edges, torch.zeros_like(asked.edges)
        cut[:, asked.sources.index(source)] = True
        expect(given.n_edges < asked.n_edges, f"for {source} nothing was cut.")
        expect(
            not torch.equal(given.mask, full & cut),
            f"for {source} you keep what should be cut, and cut everything else.",
        )
        into = [name.split("<")[0] == source for name in asked.readers]
        lost = full & ~given.mask
        expect(
            not lost[torch.tensor(into)].any(),
            f"you cut what leads into {source}; it should still read everything, but nothing should read it.",
        )
        others = [name for name in asked.sources if name != source and name.startswith(source)]
        expect(
            not others or not lost[:, asked.sources.index(others[0])].any(),
            f"for {source} you also cut {', '.join(others)}: compare the whole name before the arrow.",
        )
        expect(
            torch.equal(given.mask, full & ~cut),
            f"for {source}, {int((given.mask != (full & ~cut)).sum())} edges differ.",
        )


@check
def zero_cut(cut_with_zero: Callable[[str, int, int, int], Tensor], model, pair: PromptPairs) -> None:
    """``cut_with_zero(prompt, layer, head, mlp_layer)`` gives the last logits with one edge into an MLP at zero."""
    graph = Graph.from_model(model)
    full, last = Circuit.full(graph), graph.n_layers - 1
    for layer, head, mlp in ((0, 0, 0), (0, 5 % graph.n_heads, last), (1, 2 % graph.n_heads, 2)):
        edge = f"a{layer}.h{head}->m{mlp}"
        given = attempted(cut_with_zero(pair.clean[0], layer, head, mlp))
        whole = pair.clean_logits(model)[0]
        expect(
            isinstance(given, Tensor) and given.shape == whole.shape,
            f"give the last position's logits, {tuple(whole.shape)}.",
        )

        def cut(edges: Sequence[str], ablation: str = "zero") -> Tensor:
            return run_circuit(model, full - Circuit.from_edges(graph, edges), pair, ablation)[0]

        right = cut([edge])
        answer = Compared(given, right, 1e-3)
        answer.isnt(whole, f"{edge}: nothing changed; the hook didn't run, or changed a copy.")
        outwards = [name for name in full.edges if name.startswith(f"a{layer}.h{head}->")]
        answer.isnt(cut(outwards), f"{edge}: you ablated the head for all its readers; only m{mlp} should not read it.")
        answer.isnt(
            cut([edge], "corrupt"),
            f"{edge}: that is the corrupt prompt's cut; with zero, all that the head writes is subtracted.",
        )
        every = [f"a{layer}.h{h}->m{mlp}" for h in range(graph.n_heads)]
        answer.isnt(
            cut(every), f"{edge}: m{mlp} reads none of the layer's heads; the head is the third axis of hook_result."
        )
        answer.is_right(f"{edge}: the logits differ from those with exactly this edge at zero.")


@check
def another_question(costs_more: Callable[[str], bool], model) -> None:
    """``costs_more(edge)`` says whether an edge's cut costs more than a logit if only the question differs."""
    given = {edge: attempted(costs_more(edge)) for edge in WHY}
    expect(all(isinstance(value, bool) for value in given.values()), "return True or False for each edge.")
    pairs = PromptPairs.from_prompts(
        model,
        [f"The capital of {country} is" for country, _, _ in COUNTRIES],
        [f"The language of {country} is" for country, _, _ in COUNTRIES],
        [f" {capital}" for _, capital, _ in COUNTRIES],
        [f" {language}" for *_, language in COUNTRIES],
        first_token=True,
    )
    measured = dict(zip(WHY, cut_costs(model, list(WHY), pairs).mean(1).tolist(), strict=True))
    for edge, cost in measured.items():
        expect(given[edge] == (cost > 1), f"the cut of {edge} costs {cost:.1f} logits. {WHY[edge]}")
