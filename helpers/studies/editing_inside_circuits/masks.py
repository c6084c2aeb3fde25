"""Circuits made of weights: a mask says of every single weight whether it stays or is put to zero.

The weights of a mask are those that a mask may take (`maskable`): the layers' matrices and biases and all norms. The
embeddings are left out by default, because a mask found on some subjects would throw the rows of all others away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from helpers.editing.fine_tuning import check_masks
from helpers.editing.weights import Weights, named_weights, put_weights, weights_restored

TYPES = {  # the module that a weight belongs to -> the weight's type: GPT-2's names, then Llama's
    "wte": "embedding",
    "wpe": "positions",
    "c_fc": "MLP in",
    "c_proj": "MLP out",
    "embed_tokens": "embedding",
    "gate_proj": "MLP gate",
    "up_proj": "MLP in",
    "down_proj": "MLP out",
    "lm_head": "unembedding",
} | {name: f"attention {letter.upper()}" for letter in "qkvo" for name in (letter, f"{letter}_proj")}
EMBEDDINGS = ("wte.", "wpe.", "embed_tokens.")
NORMS = ("ln_", "norm.")


@dataclass(frozen=True, eq=False)
class ParameterMask:
    """Which weights are kept: by the names of `named_weights`, a bool tensor of each weight's shape."""

    kept: Mapping[str, Bool[Tensor, "*shape"]]

    @property
    def counts(self) -> dict[str, int]:
        """The kept weights of each tensor: the mask's profile."""
        return {name: int(part.sum()) for name, part in self.kept.items()}

    @property
    def size(self) -> int:
        """All kept weights."""
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        """All weights that the mask decides about."""
        return sum(part.numel() for part in self.kept.values())

    @property
    def share(self) -> float:
        """The kept weights as a share of those that the mask decides about."""
        return self.size / self.total

    @property
    def whole(self) -> ParameterMask:
        """The mask of the same weights that keeps them all."""
        return ParameterMask({name: torch.ones_like(part) for name, part in self.kept.items()})

    def __invert__(self) -> ParameterMask:
        return ParameterMask({name: ~part for name, part in self.kept.items()})

    def __and__(self, other: ParameterMask) -> ParameterMask:
        if self.kept.keys() != other.kept.keys():
            raise ValueError("the masks decide about different weights; find both with the embeddings or without")
        return ParameterMask({name: part & other.kept[name] for name, part in self.kept.items()})

    def jaccard(self, other: ParameterMask) -> float:
        """Shared weights as a share of the union; nan for two empty masks."""
        return self._jaccard(other, (self & other).size)

    def chance_jaccard(self, other: ParameterMask) -> float:
        """What two random masks of these two profiles share on average (the expected counts, put into Jaccard)."""
        one, two = self.counts, other.counts
        return self._jaccard(other, sum(one[name] * two[name] / part.numel() for name, part in self.kept.items()))

    def _jaccard(self, other: ParameterMask, shared: int | float) -> float:
        union = self.size + other.size - shared
        return shared / union if union else float("nan")


def maskable(model, embeddings: bool = False) -> dict[str, Tensor]:
    """The weights that a mask decides about, by name; each that the forward pass reads, once.

    Args:
        embeddings: token and position embeddings, too (in Atlas the token embedding is the unembedding as well).
    """
    left_out = (".qkv.",) if embeddings else (".qkv.", *EMBEDDINGS)  # qkv: a copy of q, k and v that nothing reads
    return {name: w for name, w in named_weights(model).items() if not any(part in name for part in left_out)}


def full_mask(model, embeddings: bool = False) -> ParameterMask:
    """Every weight is kept."""
    return ParameterMask({n: torch.ones_like(w, dtype=torch.bool) for n, w in maskable(model, embeddings).items()})


@contextmanager
def masked(model, mask: ParameterMask) -> Iterator[dict[str, Tensor]]:
    """The model with all weights outside the mask put to zero; afterwards as before, bit by bit.

    Yields:
        The weights that the mask decides about: the model's own tensors.

    Raises:
        ValueError: for a mask of an unknown name or another shape.
    """
    check_masks(mask.kept, named_weights(model))
    places = Weights(model, tuple(mask.kept))
    with weights_restored(places):
        put_weights(places, {name: place * mask.kept[name] for name, place in places.items()})
        yield places


def drawn_from(pool: ParameterMask, counts: Mapping[str, int], seed: int = 0) -> ParameterMask:
    """As many weights of each tensor as ``counts`` says, at random from those of a mask; all where there are fewer."""
    generator = torch.Generator().manual_seed(seed)
    result = {}
    for name, part in pool.kept.items():
        places = part.flatten().nonzero()[:, 0].cpu()
        chosen = places[torch.randperm(len(places), generator=generator)[: counts[name]]]
        flat = torch.zeros(part.numel(), dtype=torch.bool)
        flat[chosen] = True
        result[name] = flat.view(part.shape).to(part.device)
    return ParameterMask(result)


def random_mask(like: ParameterMask, seed: int = 0, *, profile: bool = True) -> ParameterMask:
    """A random mask of the same size.

    Args:
        profile: as many weights of each tensor, too; otherwise each weight has the same chance.
    """
    if profile:
        return drawn_from(like.whole, like.counts, seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = {n: torch.rand(p.shape, generator=generator).to(p.device) for n, p in like.kept.items()}
    return top_mask(drawn, like.share)


def top_mask(scores: Mapping[str, Tensor], share: float) -> ParameterMask:
    """Keep the weights with the highest scores, of all tensors together: exactly that share, rounded to one weight.

    Raises:
        ValueError: for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, not {share}")
    flat = torch.cat([part.flatten() for part in scores.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    kept[flat.topk(round(share * len(flat)), sorted=False).indices] = True
    return ParameterMask(split_like(kept, scores))


def split_like(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One long vector cut into tensors of these names and shapes."""
    parts = flat.split([part.numel() for part in like.values()])
    return {name: part.view(like[name].shape) for name, part in zip(like, parts, strict=True)}


def weight_type(name: str) -> str:
    """What a weight is: one of `TYPES`, ``LayerNorm`` (weights and biases of any norm, RMS norms too) or ``bias``.

    Raises:
        ValueError: for a weight of another architecture.
    """
    plain = name.replace("._original_component", "")
    if any(part in plain for part in NORMS):
        return "LayerNorm"
    if plain.endswith(".bias"):
        return "bias"
    module = plain.split(".")[-2]
    if module not in TYPES:
        raise ValueError(f"no type for the weight {name!r}; the types are those of GPT-2's and Llama's weights")
    return TYPES[module]


def mask_parts(mask: ParameterMask) -> pd.DataFrame:
    """What a mask is made of.

    Returns:
        One row for each type: ``type, kept, of`` (weights), ``modules, kept_modules`` (tensors; one counts as kept if
        more than half of it is), ``fraction`` (kept of this type), ``composition`` (this type of all kept weights).
    """
    rows = [(weight_type(n), int(p.sum()), p.numel(), 1, int(p.float().mean() > 0.5)) for n, p in mask.kept.items()]
    table = pd.DataFrame(rows, columns=["type", "kept", "of", "modules", "kept_modules"])
    table = table.groupby("type", as_index=False, sort=False).sum()
    return table.assign(fraction=table.kept / table.of, composition=table.kept / max(mask.size, 1))
