"""Checks of the exercises in *Circuit discovery*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.circuits.ablation import run_circuit, scenes
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import hit_at_k, logit_diff
from helpers.circuits.scores import Scores
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.searches.edge_pruning import masked_logits
from helpers.studies.edge_pruning.plain_acdc import plain_acdc


@check
def right_score(score: Callable[..., float], model, circuit: Circuit, val: PromptPairs, test: PromptPairs) -> None:
    """``score(model, circuit, pairs, k, ablation)`` is the share of pairs whose own answer is among the first ``k``."""
    for pairs, k, ablation in ((test, 10, "corrupt"), (test, 1, "corrupt"), (val, 1, "corrupt"), (test, 10, "zero")):
        given = float(attempted(score(model, circuit, pairs, k, ablation)))
        logits = run_circuit(model, circuit, pairs, ablation)
        right = hit_at_k(logits, pairs, k).mean().item()
        labels = val.answer_ids[torch.arange(len(pairs)) % len(val)]
        mixed = (logits.topk(k).indices == labels[:, None]).any(-1).float().mean().item()
        answer = Compared(given, right)
        answer.isnt(mixed, "that judges by the labels of the pairs that the circuit was found on: the very mistake.")
        expect(given <= 1, "a share is at most 1; divide by the number of pairs.")
        wrong = hit_at_k(pairs.clean_logits(model), pairs, k).mean().item()
        answer.isnt(wrong, "those are the whole model's hits; run the circuit.")
        answer.is_right(f"for Hit@{k} with {ablation} ablation it is {right:.3f}, not {given:.3f}.")


@check
def dangling(found: Callable[[Circuit], set[str]], scores: Scores) -> None:
    """``dangling(circuit)`` is the set of edges that are on no path from the embedding to the logits."""
    graph = scores.graph
    chain = [f"embed->{graph.reader_of('a0.h1', 'k')}", "a0.h1->m2", "m2->logits"]
    cases = [
        Circuit.from_edges(graph, [*chain, "m1->m2", "embed->a3.h0<q>"]),
        scores.top(60),
        random_circuit(graph, 400, seed=1),
    ]
    for circuit in cases:
        given = attempted(found(circuit))
        expect(isinstance(given, (set, frozenset)), f"return a set of edge names, not {type(given).__name__}.")
        right = set((circuit - circuit.pruned()).edges)
        expect(given != set(circuit.pruned().edges) or given == right, "those are the edges that are *on* a path.")
        extra, missing = given - right, right - given
        expect(
            not extra, f"{min(extra, default='')} is on a path. Do you follow a head from its readers to its output?"
        )
        expect(
            not missing,
            f"{min(missing, default='')} dangles too: look from both ends, the embedding's and the logits'.",
        )


def mask_mean(model, pairs: PromptPairs, shares: list[float]) -> Tensor:
    """The mean gradient of the edge mask at several settings of all its values, averaged over the pairs."""
    graph = Graph.from_model(model)
    total = torch.zeros(graph.edges.shape)
    for _, scene in scenes(model, pairs, "corrupt"):
        for share in shares:
            mask = (graph.edges * share).requires_grad_()
            logit_diff(masked_logits(scene, graph, mask), scene.pairs).sum().backward()
            total += mask.grad * graph.edges
    return total / (len(shares) * len(pairs))


@check
def over_the_mask(mask_gradients: Callable[..., Tensor], model, pairs: PromptPairs) -> None:
    """``mask_gradients(model, pairs, steps)`` averages the mask's gradient over ``steps`` middles."""
    for steps in (1, 4):
        given = attempted(mask_gradients(model, pairs, steps))
        right = mask_mean(model, pairs, [(k + 0.5) / steps for k in range(steps)])
        expect(isinstance(given, Tensor) and given.shape == right.shape, f"return a tensor {tuple(right.shape)}.")
        answer = Compared(given, right, 1e-3 * right.abs().max())
        answer.isnt(right * len(pairs), "average over the pairs: a score must not grow with them.")
        answer.isnt(right * steps, "average over the steps, don't add them up.")
        left = mask_mean(model, pairs, [k / steps for k in range(steps)])
        end = mask_mean(model, pairs, [(k + 1) / steps for k in range(steps)])
        answer.isnt(left, "those are the left ends of the parts; take their middles.")
        answer.isnt(end, "those are the right ends of the parts; take their middles.")
        answer.is_right(f"with {steps} steps the scores differ; is there a fresh leaf for each setting?")


@check
def ordered(acdc_in_order: Callable[..., Circuit], model, pairs: PromptPairs) -> None:
    """``acdc_in_order(model, pairs, edges, tau)`` visits the given edges in the given order."""
    graph, tau = Graph.from_model(model), 0.1
    edges = Circuit.full(graph).edges
    backwards = attempted(acdc_in_order(model, pairs, edges[::-1], tau))
    expect(isinstance(backwards, Circuit), f"return a Circuit, not {type(backwards).__name__}.")
    expect(
        backwards != Circuit.full(graph), "nothing was dropped; cutting an edge that does nothing costs less than tau."
    )
    right = plain_acdc(model, pairs, tau=tau)
    expect(backwards == right, f"from the logits back it gives {right.n_edges} edges, yours {backwards.n_edges}.")
    some = [edge for edge in edges if edge.startswith("embed")]
    part = acdc_in_order(model, pairs, some, tau)
    expect(
        Circuit.from_edges(graph, [edge for edge in edges if edge not in some]) <= part,
        "edges that aren't visited must stay.",
    )
    order = ["a1.h0->logits", *(e for e in edges if e != "a1.h0->logits")]
    expect(
        acdc_in_order(model, pairs, order, 1000.0) == Circuit.empty(graph),
        "with a huge tau every visited edge goes; is the comparison with the state before each cut?",
    )
