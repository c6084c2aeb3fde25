"""Do circuits compete? Strengths of two circuits, measured apart; who should win; and edges that carry more or less.

The circuit competition conjecture says: circuits that fit a prompt compete, and the strongest decides the next token.
Here a circuit's strength is what it alone adds to the logit difference, on a prompt that supports only its own
continuation. The prediction adds the two strengths up, with opposite signs, and never sees the conflicting prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import in_places, run_circuit, scenes
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.network import read_network
from helpers.models.predict import logits_after
from helpers.prompts.pairs import PromptPairs
from helpers.searches.edge_pruning import masked_logits
from helpers.studies.competition.conflicts import KnowledgeConflicts


def circuit_contribution(model, circuit: Circuit, pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """What a circuit alone adds to each pair's logit difference, in logits; all other edges carry the corrupt run.

    The whole graph as the circuit gives what the whole model adds: a strength that knows nothing of circuits.
    """
    return logit_diff(run_circuit(model, circuit, pairs), pairs) - without_circuits(model, pairs)


def without_circuits(model, pairs: PromptPairs) -> Float[Tensor, " batch"]:
    """Each pair's logit difference without any edge: in the corrupt prompt's own run."""
    return logit_diff(logits_after(read_network(model), pairs.corrupt_ids)[:, 0], pairs)


def predict_winner(model, conflicts: KnowledgeConflicts, first: Circuit, second: Circuit) -> pd.DataFrame:
    """Who should win each conflict, by the strengths of two circuits that were measured apart.

    Returns:
        Per conflict, in logits: ``start`` (first minus second continuation where neither is supported), ``first`` and
        ``second`` (the circuits' strengths, each on the prompt that supports it alone), ``predicted`` (start + first -
        second; positive: the first should win) and ``measured`` (the whole model on the conflicting prompt).
    """
    table = pd.DataFrame(
        {
            "start": without_circuits(model, conflicts.both).tolist(),
            "first": circuit_contribution(model, first, conflicts.first).tolist(),
            "second": circuit_contribution(model, second, conflicts.second).tolist(),
        }
    )
    table["predicted"] = table.start + table["first"] - table.second
    table["measured"] = logit_diff(conflicts.both.clean_logits(model), conflicts.both).tolist()
    return table


def scale_edges(model, pairs: PromptPairs, factors: Sequence[tuple[Circuit, float]]) -> Float[Tensor, "batch d_vocab"]:
    """The model's logits when each edge of the given circuits carries so many times its clean minus corrupt difference.

    A factor of 1 changes nothing, 0 cuts, 2 doubles, and -1 carries the opposite; edges in no circuit stay whole.

    Raises:
        ValueError: if two circuits share an edge, which then would have two factors.
    """
    graph = Graph.from_model(model)
    mask, taken = graph.edges.float(), torch.zeros_like(graph.edges)
    for circuit, factor in factors:
        if (circuit.mask & taken).any():
            raise ValueError("two of the circuits share edges; give each edge one factor (circuit - other)")
        taken |= circuit.mask
        mask[circuit.mask] = factor
    with torch.no_grad():
        return in_places((chosen, masked_logits(s, graph, mask)) for chosen, s in scenes(model, pairs, "corrupt"))


def steer_between(
    model, pairs: PromptPairs, first: Circuit, second: Circuit, settings: Sequence[float]
) -> Float[Tensor, "setting batch"]:
    """The logit differences when what only ``first`` has carries 1 + t times its signal, what only ``second`` 1 - t.

    Args:
        settings: the values of t; 0 changes nothing, 1 doubles the first circuit's signal and cuts the second's.
    """
    own = first - second, second - first
    runs = (scale_edges(model, pairs, [(own[0], 1.0 + t), (own[1], 1.0 - t)]) for t in settings)
    return torch.stack([logit_diff(logits, pairs) for logits in runs])
