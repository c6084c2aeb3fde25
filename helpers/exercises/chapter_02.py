"""Checks of the exercises in *Graph construction*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import faithfulness
from helpers.circuits.graph import Graph
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs

SHAPES = ((1, 1, 1), (2, 4, 2), (6, 8, 8), (22, 32, 4))
EDGES, SHARE = 10, 0.35


@check
def grouped_edges(count_grouped: Callable[[int, int, int], int]) -> None:
    """``count_grouped(layers, heads, groups)`` is the number of edges with grouped-query attention."""
    for layers, heads, groups in SHAPES:
        given, right = attempted(count_grouped(layers, heads, groups)), Graph(layers, heads, groups).n_edges
        earlier = [1 + layer * (heads + 1) for layer in range(layers)]
        shape = f"with {layers} layers, {heads} heads and {groups} groups"
        answer = Compared(given, right)  # in some shapes, a wrong way gives the right number
        answer.isnt(
            Graph(layers, heads, heads).n_edges,
            f"{shape} you count a key and a value for each head; a layer has only {groups} of each.",
        )
        answer.isnt(
            sum(3 * groups * n + n + heads for n in earlier) + 1 + layers * (heads + 1),
            f"{shape} you count only {groups} queries in a layer; each of the {heads} heads has a query of its own.",
        )
        answer.isnt(right - 1 - layers * (heads + 1), f"{shape} the edges into the logits are missing.")
        answer.isnt(right - layers * heads, f"{shape} you forgot that an MLP also hears the heads of its own layer.")
        answer.is_right(f"{shape} there are {right:,} edges, not {given:,}.")


@check
def silenced_source(without_source: Callable[[Graph, str], Circuit], graph: Graph) -> None:
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
            f"you cut what leads into {source}; it should still hear everything, but say nothing.",
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
        answer.isnt(cut(outwards), f"{edge}: you silenced the head for everybody; only m{mlp} should not hear it.")
        answer.isnt(
            cut([edge], "corrupt"),
            f"{edge}: that is the corrupt prompt's cut; with zero, all that the head writes is subtracted.",
        )
        every = [f"a{layer}.h{h}->m{mlp}" for h in range(graph.n_heads)]
        answer.isnt(
            cut(every), f"{edge}: m{mlp} hears none of the layer's heads; the head is the third axis of hook_result."
        )
        answer.is_right(f"{edge}: the logits differ from those with exactly this edge at zero.")


@check
def small_circuit(ten_edges: Callable[[], Sequence[str]], model, pairs: PromptPairs) -> None:
    """``ten_edges()`` names at most ten edges that are faithful on held-out pairs."""
    edges = attempted(ten_edges())
    expect(not isinstance(edges, str), "give a list of edge names, not one text.")
    edges = list(dict.fromkeys(edges))
    expect(len(edges) <= EDGES, f"these are {len(edges)} edges; take {EDGES} at most.")
    graph = Graph.from_model(model)
    try:
        circuit = Circuit.from_edges(graph, edges)
    except ValueError as error:
        expect(False, f"there is a name that is no edge. {error}")
    alive = circuit.pruned()
    expect(
        alive.n_edges > 0,
        "no path leads from the embedding to the logits, so the logits hear nothing but the corrupt prompt.",
    )
    score = faithfulness(model, circuit, pairs)
    idle = (circuit - alive).edges
    hint = f" These edges lie on no path from the embedding to the logits: {', '.join(idle)}." if idle else ""
    expect(score >= SHARE, f"the faithfulness is {score:.0%}, and {SHARE:.0%} are wanted.{hint}")
