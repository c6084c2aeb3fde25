"""Does a circuit need every one of its edges?"""

from __future__ import annotations

import pandas as pd

from helpers.circuits.ablation import Ablation, run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import baselines, recovered
from helpers.circuits.metrics import Metric, logit_diff
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import bootstrap


def minimality(
    model,
    circuit: Circuit,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
) -> pd.DataFrame:
    """How much faithfulness the circuit loses without each of its edges.

    Returns:
        Columns ``edge, loss, low, high``, the largest loss first; an edge whose loss is near 0 is idle.
    """
    scale = baselines(model, pairs, metric, ablation)
    whole = metric(run_circuit(model, circuit, pairs, ablation), pairs).float()
    rows = []
    for edge in circuit.edges:
        without = circuit - Circuit.from_edges(circuit.graph, [edge])
        value = metric(run_circuit(model, without, pairs, ablation), pairs).float()
        loss = bootstrap(
            lambda a, b, f, e: recovered(a, f, e) - recovered(b, f, e), whole, value, scale.full, scale.ablated
        )
        rows.append((edge, *loss.row()))
    table = pd.DataFrame(rows, columns=["edge", "loss", "low", "high"])
    return table.sort_values("loss", ascending=False, ignore_index=True)
