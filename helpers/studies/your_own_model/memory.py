"""How much memory a model and a search need: an estimate from the model's shape."""

from __future__ import annotations

from typing import Literal, get_args

from helpers.circuits.memory import GB, Shape, pairs_at_once, tokens_at_once
from helpers.searches.edge_pruning import COPIES as MASK_COPIES

# How many tensors of one row for each source ``[source batch pos d_model]`` are in memory at the same time.
COPIES = {"load": 0.0, "run_circuit": 2.0, "eap": 1.5, "eap_ig": 1.5, "edge_pruning": MASK_COPIES}
Search = Literal["load", "run_circuit", "eap", "eap_ig", "edge_pruning"]


def memory_estimate(
    shape: Shape,
    tokens: int = 10,
    *,
    search: Search = "eap_ig",
    batch: int | None = None,
    chunk: int | None = None,
) -> float:
    """The memory in GB that a model and a search need, without Python's own (half a GB of ordinary memory).

    Measured peaks lie within a factor of 1.5 (`helpers/tables/memory.csv`).

    Args:
        tokens: of the longest prompt.
        batch, chunk: as the search gets them.

    Raises:
        ValueError: for an unknown search.
    """
    if search not in get_args(Search):
        raise ValueError(f"unknown search {search!r}; choose from {', '.join(get_args(Search))}")
    weights = shape.parameters * shape.itemsize
    if search == "load":
        return weights / GB
    pairs = batch or pairs_at_once(shape, tokens, COPIES["edge_pruning"] if search == "edge_pruning" else 1.0)
    sources = len(shape.graph.sources)
    rows = COPIES[search] * shape.row * min(1.0, (chunk or sources) / sources)
    runs = pairs * tokens
    if search == "eap_ig":
        runs = max(runs, min(5 * runs, tokens_at_once(2048, shape.trace)))
    readers = 3 * (shape.n_heads + 2 * shape.n_groups) * shape.d_model * shape.itemsize
    gradients = runs * (shape.trace + readers) if search in ("eap", "eap_ig") else pairs * tokens * readers
    unembed = 4 * pairs * shape.d_vocab * 4
    return (weights + rows * pairs * tokens + gradients + unembed) / GB
