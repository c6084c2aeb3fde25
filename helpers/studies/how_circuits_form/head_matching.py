"""Are two models' heads alike: head by head as they are numbered, and after the best matching within each layer?

Two models trained from other first weights may hold the same heads under other numbers. So the heads of each layer are
matched by what they do in some relations, and the matching is judged in others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from helpers.circuits.circuit import Circuit, permute_heads
from helpers.circuits.graph import Graph
from helpers.studies.head_agreement import kappa

Orders = list[list[int]]  # for each layer the new number of each head
DRAWS = 20


@dataclass(frozen=True)
class ModelProfile:
    """What is known of a model's heads and circuits: by relation the heads' table with their ``class``, and a circuit.

    Raises:
        ValueError: unless both are of the same relations.
    """

    heads: Mapping[str, pd.DataFrame]
    circuits: Mapping[str, Circuit]

    def __post_init__(self) -> None:
        if list(self.heads) != list(self.circuits) or not self.heads:
            raise ValueError(f"heads are of {list(self.heads)}, circuits of {list(self.circuits)}; they must agree")

    @property
    def graph(self) -> Graph:
        """The graph of its circuits."""
        return next(iter(self.circuits.values())).graph

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and heads in each."""
        return self.graph.n_layers, self.graph.n_heads


def profile(heads: pd.DataFrame) -> Float[np.ndarray, "head feature"]:
    """What each head looks at, says and causes in one relation, in standard deviations over the model's heads.

    Args:
        heads: of `measure_heads`.
    """
    table = heads[["to_subject", "to_relation", "from_subject_answer", "from_relation_type", "effect"]].to_numpy(float)
    spread = table.std(0)
    return (table - table.mean(0)) / np.where(spread > 0, spread, 1)


def match_heads(first: ModelProfile, second: ModelProfile, names: Sequence[str]) -> Orders:
    """For each head of the second model the number of the first's head that it is most like, layer by layer.

    Args:
        names: the relations whose profiles are compared.

    Raises:
        ValueError: for models of different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"heads of models of {first.shape} and {second.shape} (layers, heads) can't be matched")
    layers, heads = first.shape
    one, other = (
        np.concatenate([profile(seen.heads[n]) for n in names], 1).reshape(layers, heads, -1)
        for seen in (first, second)
    )
    distance = np.linalg.norm(other[:, :, None] - one[:, None], axis=-1)
    return [linear_sum_assignment(layer)[1].tolist() for layer in distance]


def shuffled_orders(shape: tuple[int, int], seed: int) -> Orders:
    """Random orders of the heads within each layer."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(shape[1]).tolist() for _ in range(shape[0])]


def moved_names(heads: pd.DataFrame, orders: Orders) -> list[str]:
    """The heads' classes when each head stands at its new place."""
    names = heads["class"].to_numpy().reshape(len(orders), -1)
    return np.take_along_axis(names, np.argsort(orders), axis=1).flatten().tolist()


def alike(first: ModelProfile, second: ModelProfile, name: str, orders: Orders | None = None) -> dict[str, float]:
    """How alike two models are in one relation: kappa of the heads' names, Jaccard overlap of the circuits' edges.

    Args:
        orders: new places of the second model's heads; as they are by default.
    """
    orders = orders or [list(range(first.shape[1]))] * first.shape[0]
    return {
        "names": kappa(first.heads[name]["class"].tolist(), moved_names(second.heads[name], orders)),
        "edges": first.circuits[name].jaccard(permute_heads(second.circuits[name], orders)),
    }


def compare(first: ModelProfile, second: ModelProfile) -> pd.DataFrame:
    """How alike two models' heads and circuits are in each relation, in three arrangements of the second's heads.

    Returns:
        Columns ``relation, measure`` (``names`` or ``edges``), ``numbered`` (heads as they are), ``matched`` (matched
        by the relations of the other half: every second one) and ``shuffled`` (mean of random orders within layers).

    Raises:
        ValueError: for models of different shapes or relations, or fewer than two relations.
    """
    names = list(first.heads)
    if list(second.heads) != names or len(names) < 2:
        raise ValueError(f"two models need the same relations, two or more, not {names} and {list(second.heads)}")
    rows, drawn = [], [shuffled_orders(first.shape, seed) for seed in range(DRAWS)]
    for half in (0, 1):
        orders = match_heads(first, second, names[1 - half :: 2])
        for name in names[half::2]:
            found = {"numbered": alike(first, second, name), "matched": alike(first, second, name, orders)}
            found["shuffled"] = pd.DataFrame([alike(first, second, name, order) for order in drawn]).mean()
            table = pd.DataFrame(found).rename_axis("measure").reset_index()
            rows.append(table.assign(relation=name))
    return pd.concat(rows, ignore_index=True)[["relation", "measure", "numbered", "matched", "shuffled"]]
