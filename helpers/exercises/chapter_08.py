"""Checks of the exercises in *Greater-than*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import Metric
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.studies.greater_than.years import MlpScene

NEAR = 1e-4


def _rows(p: Tensor, starts: Sequence[int], up: int, down: int) -> Tensor:
    return torch.stack([row[start + up] - row[start + down] for row, start in zip(p, starts, strict=True)])


@check
def sharp(sharpness: Callable[..., float], p: Tensor, starts: Sequence[int]) -> None:
    """``sharpness(p, starts)`` is the mean of P(start + 1) - P(start - 1) over the rows."""
    for rows in (slice(None), slice(0, 20)):
        part, some = p[rows], list(starts)[rows]
        given = float(attempted(sharpness(part, some)))
        right = _rows(part, some, 1, -1)

        answer = Compared(given, right.mean(), NEAR * right.std().item() * 0.1 + 1e-7)
        answer.isnt(right.sum(), "that grows with the number of rows: take their mean.")
        answer.isnt(-right.mean(), "the sign is turned: the year after minus the year before.")
        answer.isnt(_rows(part, some, 1, 0).mean(), "P(start) isn't the year before the start.")
        answer.isnt(_rows(part, some, 0, -1).mean(), "P(start) isn't the year after the start.")
        places = torch.arange(len(part))
        by_place = part[places, places + 1] - part[places, (places - 1).clamp_min(0)]
        answer.isnt(by_place.mean(), "a row's number isn't its starting year; the rows begin later than 0.")
        answer.is_right(f"for {len(part)} rows it is {right.mean():.5f}, not {given:.5f}.")


def _difference(p: Tensor, starts: Sequence[int]) -> float:
    later = torch.arange(100)[None] > torch.tensor(list(starts))[:, None]
    return float((p * (2 * later.float() - 1)).sum(1).mean())


@check
def no_constants(beyond_average: Callable[..., float], p: Tensor, starts: Sequence[int]) -> None:
    """``beyond_average(p, starts)`` is the probability difference minus that of the model's own average answer."""
    constant = torch.eye(100)[99].expand(len(p), -1)
    exact = (torch.arange(100)[None] > torch.tensor(list(starts))[:, None]).float()
    exact = exact / exact.sum(1, keepdim=True)
    for name, rows in (("Atlas", p), ("a model that always says 99", constant), ("an exact model", exact)):
        given = float(attempted(beyond_average(rows, starts)))
        plain = _difference(rows, starts)
        right = plain - _difference(rows.mean(0).expand(len(rows), -1), starts)
        alike = plain - _difference(torch.full((len(rows), 100), 0.01), starts)
        hard = "a constant predictor must get 0. What does it say whatever the start?"
        answer = Compared(given, right, NEAR)
        answer.isnt(plain, f"that is the plain difference; {hard}")
        answer.isnt(alike, f"that takes off what equal chances give: {hard}")
        answer.isnt(-right, "the sign is turned: own answer minus average answer.")
        answer.is_right(f"for {name} it is {right:.4f}, not {given:.4f}.")


@check
def headless(without_head: Callable[..., float], model, pairs: PromptPairs, metric: Metric) -> None:
    """``without_head(model, head, pairs, metric)`` is the mean metric with all edges out of the head cut."""
    graph = Graph.from_model(model)
    full = Circuit.full(graph)
    for head in ("a0.h4", f"a{graph.n_layers - 1}.h2"):
        given = float(attempted(without_head(model, head, pairs, metric)))
        edges = [edge for edge in full.edges if edge.startswith(f"{head}->")]

        def value(circuit: Circuit, ablation: str = "corrupt") -> float:
            return metric(run_circuit(model, circuit, pairs, ablation), pairs).mean().item()

        right, out = value(full - Circuit.from_edges(graph, edges)), Circuit.from_edges(graph, edges)
        direct = value(full - Circuit.from_edges(graph, [f"{head}->logits"]))

        answer = Compared(given, right, NEAR)
        answer.isnt(direct, f"that cuts only {head}->logits; the head also speaks to later heads and MLPs.")
        answer.isnt(value(out), "that keeps the head's edges and cuts all others; turn it round.")
        answer.isnt(value(full - out, "zero"), "that is zero ablation; leave it at corrupt.")
        answer.isnt(value(full), f"nothing was cut; do the names of your edges begin with {head}->?")
        answer.isnt(value(full) - right, "that is the fall; return the metric itself.")
        answer.is_right(f"without {head} it is {right:.4f}, not {given:.4f}.")


@check
def one_by_one(exact_falls: Callable[..., Tensor], scene: MlpScene, metric: Metric) -> None:
    """``exact_falls(scene, metric, neurons)`` is each neuron's fall when it alone is ablated at the last position."""
    neurons = (scene.neurons - scene.ablated)[:, -1].abs().mean(0).topk(4).indices.tolist()
    full = metric(scene.whole, scene.pairs).mean()
    alone, everywhere = [], []
    for neuron in neurons:
        kept = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
        kept[-1, neuron] = False
        alone.append(full - metric(scene.logits(kept), scene.pairs).mean())
        kept[:, neuron] = False
        everywhere.append(full - metric(scene.logits(kept), scene.pairs).mean())
    right, everywhere = torch.stack(alone), torch.stack(everywhere)
    only = torch.stack([full - metric(scene.only([n]), scene.pairs).mean() for n in neurons])
    given = attempted(exact_falls(scene, metric, neurons))
    expect(isinstance(given, Tensor) and given.shape == right.shape, "return a tensor with a fall for each neuron.")

    answer = Compared(given, right, 1e-5)
    answer.isnt(only, "that keeps one neuron and ablates all others; ablate one and keep all others.")
    answer.isnt(-right, "the sign is turned: a neuron that helps has a positive fall.")
    answer.isnt(full - right, "that is the metric after the cut; return how much it fell.")
    answer.isnt(everywhere, "that ablates the neuron at all positions; only the last one is asked.")
    difference = (given - right).abs().max()
    expect(bool(difference < 1e-5), f"the largest difference to the measured falls is {difference:.4f}.")
