"""The circuits of the book's explorer: edges in the order in which circuits grow, and what each size keeps.

An edge goes by its number in the graph's order (`edge_numbers`), so that a page needs no more than the names of sources
and readers to write its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Int
from torch import Tensor

from helpers.circuits.ablation import Ablation
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import Baselines, baselines, faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap, eap_ig

SIZES = (25, 50, 100, 200)
METHODS = {"eap": eap, "eap_ig": eap_ig}
SEARCHES = tuple((method, ablation) for method in ("eap_ig", "eap") for ablation in get_args(Ablation))
ONE_SEARCH = (("eap_ig", "corrupt"),)


@dataclass(frozen=True)
class Halves:
    """The pairs that circuits are found on, and those that judge them."""

    train: PromptPairs
    test: PromptPairs


def significant(value: float, digits: int = 3) -> float:
    """A number rounded to so many digits; no negative zero."""
    return float(f"{value:.{digits}g}") + 0.0


def edge_numbers(graph: Graph) -> Int[Tensor, "reader source"]:
    """The number of each edge, reader by reader; -1 where there is no edge."""
    numbers = torch.full(graph.edges.shape, -1, dtype=torch.long)
    numbers[graph.edges] = torch.arange(graph.n_edges)
    return numbers


def growing(scores: Scores, sizes: Sequence[int]) -> tuple[list[int], list[float]]:
    """The edges of the largest greedy circuit in such an order that every smaller one comes first.

    Edges that come with the same size stand by the amount of their score. ``sizes`` rise.

    Returns:
        Numbers of edges (`edge_numbers`), and their scores, rounded.
    """
    numbers, order = edge_numbers(scores.graph), []
    before = Circuit.empty(scores.graph)
    for size in sizes:
        circuit = scores.greedy(size)
        new = [tuple(place) for place in (circuit - before).mask.nonzero().tolist()]
        order += sorted(new, key=lambda place: (-abs(float(scores.values[place])), place))
        before = circuit
    return [int(numbers[place]) for place in order], [significant(float(scores.values[place])) for place in order]


@dataclass(frozen=True)
class Yardstick:
    """What circuits are measured by under one ablation: both ends of the scale, and a random circuit of each size."""

    ablation: Ablation
    scale: Baselines
    chance: Mapping[int, float]


def yardstick(model, test: PromptPairs, ablation: Ablation, sizes: Iterable[int]) -> Yardstick:
    """The yardstick for circuits of some sizes, to be used by every search with this ablation."""
    scale, graph = baselines(model, test, logit_diff, ablation), Graph.from_model(model)
    drawn = {size: random_circuit(graph, size) for size in sorted(set(sizes))}
    chance = {n: float(faithfulness(model, c, test, ablation=ablation, scale=scale)) for n, c in drawn.items()}
    return Yardstick(ablation, scale, chance)


def judged(model, circuits: Sequence[Circuit], test: PromptPairs, by: Yardstick) -> dict[str, list[float]]:
    """What circuits keep on held-out pairs, with intervals, beside one random circuit of each size.

    Returns:
        ``kept, low, high, random``: faithfulness, a value for each circuit; three decimals.
    """
    columns: dict[str, list[float]] = {"kept": [], "low": [], "high": [], "random": []}
    for circuit in circuits:
        own = faithfulness(model, circuit, test, ablation=by.ablation, scale=by.scale)
        for name, value in zip(columns, (own, own.low, own.high, by.chance[circuit.n_edges]), strict=True):
            columns[name].append(round(float(value), 3) + 0.0)
    return columns


def searched(model, halves: Halves, method: str, by: Yardstick, sizes: Sequence[int] = SIZES) -> dict[str, list[float]]:
    """One search: its edges in growing order with their scores, and what circuits of several sizes keep.

    Returns:
        ``edges, scores, sizes`` and the columns of `judged`.
    """
    scores = METHODS[method](model, halves.train, ablation=by.ablation)
    edges, values = growing(scores, sizes)
    columns = judged(model, [scores.greedy(n) for n in sizes], halves.test, by)
    return {"edges": edges, "scores": values, "sizes": list(sizes), **columns}


def given(
    model, halves: Halves, circuit: Circuit, widths: Mapping[int, float], by: Yardstick
) -> dict[str, list[float]]:
    """A circuit that was found without scores, as from `searched`, with another search's scores beside its edges.

    Args:
        widths: scores by the edges' numbers; an edge without one gets 0.
    """
    numbers = edge_numbers(circuit.graph)[circuit.mask].tolist()
    numbers.sort(key=lambda number: (-abs(widths.get(number, 0.0)), number))
    columns = judged(model, [circuit], halves.test, by)
    values = [widths.get(number, 0.0) for number in numbers]
    return {"edges": numbers, "scores": values, "sizes": [circuit.n_edges], **columns}
