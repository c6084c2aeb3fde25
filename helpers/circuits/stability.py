"""What stays of a search when its pairs are drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from helpers.checks import Amount, Count, Model, Seed, checked
from helpers.circuits.circuit import Circuit
from helpers.circuits.overlap import overlaps
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap

MOST_DRAWS = 10_000


@dataclass(frozen=True, eq=False)
class Stability:
    """What stays of a search when its pairs are drawn again.

    Attributes:
        jaccard: the mean overlap of two draws' circuits; the interval comes from drawing the draws again.
        same_sign: the edges whose scores have one sign in all draws.
        circuits: of each draw.
    """

    jaccard: Estimate
    same_sign: Bool[Tensor, "reader source"]
    circuits: tuple[Circuit, ...]


@checked
def stability(
    model: Model,
    search: Callable[[Any, PromptPairs], Scores],
    pairs: PromptPairs,
    *,
    size: Amount,
    draws: Annotated[Count, Field(ge=2, le=MOST_DRAWS)] = 10,
    seed: Seed = 0,
) -> Stability:
    """Search in resampled pairs (as many, with replacement), again and again, and compare what is found.

    Args:
        search: gives scores for a model and pairs, such as `helpers.eap_ig`.
        size: edges of the circuits that are compared, the best ones of each draw.
    """
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        places = torch.randint(len(pairs), (len(pairs),), generator=generator)
        found.append(search(model, pairs.select(places)))
    circuits = tuple(scores.top(size) for scores in found)
    table = torch.tensor(overlaps({str(n): circuit for n, circuit in enumerate(circuits)}).to_numpy())
    signs = torch.stack([scores.values.sign() for scores in found])
    same = (signs == signs[0]).all(0) & (signs[0] != 0) & found[0].graph.edges
    return Stability(bootstrap(lambda rows: _mean_of_others(table, rows), torch.arange(draws)), same, circuits)


def _mean_of_others(table: Float[Tensor, "draw draw"], rows: Tensor) -> Tensor:
    """The mean overlap of two different draws among those given, the same one never compared with itself."""
    rows = rows.long()
    chosen, other = table[rows[..., :, None], rows[..., None, :]], rows[..., :, None] != rows[..., None, :]
    return (chosen * other).sum((-2, -1)) / other.sum((-2, -1)).clamp_min(1)
