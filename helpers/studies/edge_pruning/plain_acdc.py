"""ACDC as it is described, one run for each edge: the reference that `helpers.searches.acdc` equals."""

from __future__ import annotations

from helpers.circuits.ablation import Ablation, run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import Metric, logit_diff
from helpers.prompts.pairs import PromptPairs


def plain_acdc(
    model,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    tau: float,
    ablation: Ablation = "corrupt",
    most: int | None = None,
) -> Circuit:
    """The plain sweep, from the logits back; of the first ``most`` edges, all others are kept."""
    graph = Graph.from_model(model)
    mask, whole = graph.edges.clone(), pairs.clean_logits(model)

    def loss() -> float:
        logits = run_circuit(model, Circuit(graph, mask), pairs, ablation)
        return -metric.sign * metric.beside(whole)(logits, pairs).double().mean().item()

    current = loss()
    order = graph.edges.nonzero().flip(0).tolist()  # readers from the logits back, each with its latest source first
    for reader, source in order[:most]:
        mask[reader, source] = False
        without = loss()
        if without - current < tau:
            current = without
        else:
            mask[reader, source] = True
    return Circuit(graph, mask)
