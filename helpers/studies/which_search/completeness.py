"""Whether circuits are complete: knocked out in part, do they lose what the model loses? The table ``judged_complete``.

A circuit C of a model M is complete if, for every set K of its nodes, C without K does what M without K does (arXiv
2211.00593, section 4): **incompleteness** is ``|F(C - K) - F(M - K)|``, F being faithfulness. Of a circuit that lacks a
backup, the model loses little where the circuit loses all. The sets are drawn at random, a few nodes at a time: a
random half of a circuit's nodes would leave neither anything, and look complete. The set without any node stands for
faithfulness alone: incompleteness is what comes on top. (The authors also search for the worst set, which takes
hundreds of runs for a circuit.) On Atlas.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.circuits.ablation import run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import Baselines, baselines, edges_from, recovered
from helpers.circuits.metrics import logit_diff
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.which_search.candidates import Search
from helpers.studies.which_search.tasks import Task, few_tasks, searches_for, task_pairs

SIZE = 100  # edges of a circuit
NODES, SETS = (0, 1, 2, 4), 8  # of a set; sets of each number


def drawn_nodes(circuit: Circuit, count: int, sets: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Sets of a circuit's heads and MLPs; fewer if it doesn't have so many nodes, or so many sets of them."""
    nodes = [name for name in circuit.nodes if name != "embed"]
    rng, drawn = random.Random(f"{seed} {count}"), {}
    for _ in range(10 * sets):
        if len(nodes) >= count and len(drawn) < sets:
            drawn[tuple(sorted(rng.sample(nodes, count)))] = None
    return list(drawn)


def without(circuit: Circuit, nodes: tuple[str, ...]) -> Circuit:
    """The circuit without the edges out of some nodes: what they write is the corrupt prompt's, for all readers."""
    return circuit - Circuit.from_edges(circuit.graph, edges_from(circuit.graph, nodes))


def knocked_out(
    model, circuit: Circuit, pairs: PromptPairs, sets: list[tuple[str, ...]]
) -> tuple[Float[Tensor, "set pair"], Float[Tensor, "set pair"]]:
    """The logit difference of each pair in the circuit and in the whole model, each without each set of nodes."""
    wholes = circuit, Circuit.full(circuit.graph)
    rest = [without(whole, nodes) for whole in wholes for nodes in sets]
    logits = run_circuits(model, rest, pairs, "corrupt")
    values = torch.stack([logit_diff(part, pairs).double() for part in logits])
    return values[: len(sets)], values[len(sets) :]


def incompleteness(
    circuit: Float[Tensor, "set pair"], model: Float[Tensor, "set pair"], scale: Baselines
) -> dict[str, Estimate]:
    """What is left in the mean over all sets, and how far both are apart, with intervals from drawing the pairs again.

    Args:
        circuit, model: as `knocked_out` gives them.

    Returns:
        ``circuit`` and ``model``, the faithfulness of each; ``incompleteness``, the mean distance of both, set by set;
        and the ``worst`` set's.
    """

    def left(values: Float[Tensor, "set pair"], places: Tensor) -> Float[Tensor, " set *resample"]:
        chosen, full, ablated = (part.double()[..., places.long()] for part in (values, scale.full, scale.ablated))
        return recovered(chosen, full, ablated)

    measures = {
        "circuit": lambda places: left(circuit, places).mean(0),
        "model": lambda places: left(model, places).mean(0),
        "incompleteness": lambda places: (left(circuit, places) - left(model, places)).abs().mean(0),
        "worst": lambda places: (left(circuit, places) - left(model, places)).abs().amax(0),
    }
    return {name: bootstrap(measure, torch.arange(circuit.shape[1])) for name, measure in measures.items()}


def complete_rows(
    model, searches: Mapping[str, Search], train: PromptPairs, test: PromptPairs, size: int = SIZE
) -> Iterator[dict[str, object]]:
    """Every search's circuit, none, one, two, ... of its nodes knocked out at a time, on held-out pairs."""
    scale = baselines(model, test)
    for name, search in searches.items():
        circuit = search(model, train).greedy(size)
        for count in NODES:
            if sets := drawn_nodes(circuit, count, SETS):
                own = dict(search=name, edges=size, nodes=count, sets=len(sets), pairs=len(test))
                found = incompleteness(*knocked_out(model, circuit, test, sets), scale)
                for measure, estimate in found.items():
                    yield own | dict(measure=measure, value=float(estimate), low=estimate.low, high=estimate.high)


def task_rows(model, task: Task) -> pd.DataFrame:
    """The rows of a task."""
    pairs = (task_pairs(model, task.name, split) for split in ("train", "test"))
    rows = complete_rows(model, searches_for(task), *pairs)
    return pd.DataFrame(rows).assign(model=task.model, task=task.name, kind=task.kind)


def write_tables(load: Load, write: Write) -> None:
    """Judge the completeness of all searches' circuits, task by task."""
    model = load("atlas")
    write_parts(write, "judged_complete", (task_rows(model, task) for task in tqdm(few_tasks("atlas"))))
