"""What circuits share: overlaps of edges or heads, and how much of them is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from helpers.checks import Whole, checked
from helpers.circuits.circuit import Circuit, heads_of, random_circuit

Parts = Literal["edges", "heads"]
Chance = Literal["blind", "relabelled"]


def _members(circuits: Sequence[Circuit], parts: str) -> np.ndarray:
    """A row for each circuit, true where it holds an edge (or uses a head)."""
    if len({circuit.graph for circuit in circuits}) != 1:
        raise ValueError("circuits can be compared if there are any, and all are of one graph")
    if parts == "edges":
        return torch.stack([c.mask[c.graph.edges] for c in circuits]).numpy()
    names = [name for name in circuits[0].graph.sources if "." in name]
    used = [set(heads_of(c)) for c in circuits]
    return np.array([[name in own for name in names] for own in used])


def _jaccard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shared over all, for each row of ``first`` with each row of ``second``; 1 for two empty rows."""
    shared = first.astype(float) @ second.astype(float).T
    union = first.sum(1)[:, None] + second.sum(1)[None] - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


@checked
def overlaps(
    circuits: Mapping[str, Circuit], others: Mapping[str, Circuit] | None = None, *, parts: Parts = "edges"
) -> pd.DataFrame:
    """The Jaccard overlap of each circuit with each other: shared edges (or heads) over those of both together.

    Args:
        others: what the columns are; the circuits themselves by default.

    Raises:
        ValueError: for circuits of different graphs, or none at all.
    """
    others = circuits if others is None else others
    members = _members([*circuits.values(), *others.values()], parts)
    table = _jaccard(members[: len(circuits)], members[len(circuits) :])
    return pd.DataFrame(table, list(circuits), list(others))


@checked
def chance_overlaps(
    circuits: Mapping[str, Circuit],
    *,
    parts: Parts = "edges",
    chance: Chance = "relabelled",
    draws: Annotated[Whole, Field(ge=2)] = 20,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean and the standard deviation of the overlap of two circuits when one of them is drawn by chance.

    Args:
        chance: ``"blind"`` draws as many edges from all; ``"relabelled"`` lets the heads of each layer change places,
            so the shape stays (`random_circuit`).
        draws: how often each circuit is drawn; the two circuits of a pair take turns in being the drawn one.
    """
    own, samples = _members(list(circuits.values()), parts), []
    ways = [(c.graph, {"n": c.n_edges} if chance == "blind" else {"like": c}) for c in circuits.values()]
    for seed in range(draws):
        drawn = [random_circuit(graph, seed=seed * len(ways) + n, **way) for n, (graph, way) in enumerate(ways)]
        one_drawn = _jaccard(own, _members(drawn, parts))
        samples += [one_drawn, one_drawn.T]
    names = list(circuits)
    return tuple(pd.DataFrame(part, names, names) for part in (np.mean(samples, 0), np.std(samples, 0)))
