"""How far two namings of heads agree, class by class, and how far shuffled ones do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

Names = Sequence[str] | np.ndarray | pd.Series  # the name of each thing, such as a head, in one order


def kappa(first: Names, second: Names) -> float:
    """Cohen's kappa of two namings: 1 if all have the same name in both, 0 as chance with these counts.

    Raises:
        ValueError: if both don't name the same number of things.
    """
    if len(first) != len(second):
        raise ValueError(f"the namings must be of the same things; one has {len(first)}, the other {len(second)}")
    if len({*first, *second}) == 1:
        return 1.0  # one name for everything, twice: scikit-learn has 0 / 0 there
    return float(cohen_kappa_score(list(first), list(second)))


def jaccard(first: Names, second: Names, name: str) -> float:
    """The heads that both namings call ``name``, over those that either does; 1 if neither does for any.

    Raises:
        ValueError: if both don't name the same number of heads.
    """
    if len(first) != len(second):
        raise ValueError(f"the namings must be of the same heads; one has {len(first)}, the other {len(second)}")
    one, other = (np.array(part) == name for part in (first, second))
    either = (one | other).sum()
    return float((one & other).sum() / either) if either else 1.0


def agreement(first: Names, second: Names) -> dict[str, float]:
    """Kappa over all classes, and the Jaccard index of movers and of relation heads."""
    return {
        "kappa": kappa(first, second),
        "movers": jaccard(first, second, "mover"),
        "relation heads": jaccard(first, second, "relation"),
    }


def shuffled(names: Names, layers: Sequence[int] | None = None, seed: int = 0) -> list[str]:
    """The same names, dealt out anew: over all heads, or within each layer (given a layer for each head).

    Within layers is the harder chance: it keeps how many heads of each class a layer has.
    """
    rng, names = np.random.default_rng(seed), np.array(names)
    groups = np.zeros(len(names), int) if layers is None else np.asarray(layers)
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        names[places] = names[rng.permutation(places)]
    return names.tolist()
