"""What a circuit is compared with: what several circuits keep of one question, and a circuit of unrelated relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from helpers.circuits.ablation import run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import recovered
from helpers.circuits.metrics import logit_diff
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation


def kept_by(model, circuits: Sequence[Circuit], pairs: PromptPairs) -> list[float]:
    """The faithfulness of several circuits on the same pairs, all run beside each other."""
    both = [Circuit.empty(circuits[0].graph), *circuits]
    whole, empty, *own = (logit_diff(each, pairs) for each in run_circuits(model, both, pairs, "corrupt", whole=True))
    return [float(recovered(value, whole, empty)) for value in own]


def unrelated(name: str, others: Iterable[str]) -> list[str]:
    """Those of some relations that have neither a relation's type of subjects nor its type of answers."""
    types = {each: relation(each).properties for each in (name, *others)}
    own = types.pop(name)
    return [each for each, t in types.items() if all(t[f"{k}_type"] != own[f"{k}_type"] for k in ("subject", "answer"))]


def unrelated_circuit(scores: Mapping[str, Scores], name: str, n: int) -> Circuit:
    """A circuit from the mean scores of all relations that are `unrelated` to one: what any answer needs.

    Each relation's scores are divided by their absolute sum, so that no relation counts for more than another.
    """
    chosen = [scores[other].values for other in unrelated(name, [other for other in scores if other != name])]
    graph = next(iter(scores.values())).graph
    return Scores(graph, torch.stack([values / values.abs().sum() for values in chosen]).mean(0)).greedy(n)
