"""Checks of the exercises in *What relations share*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from helpers.exercises.kit import attempted, check, expect, number
from helpers.studies.grouping import grouping_test


def _hub(n: int, seed: int) -> np.ndarray:
    """Overlaps in which some circuits share much with all others, and no grouping matters."""
    rng = np.random.default_rng(seed)
    size = rng.random(n)
    values = size[:, None] + size[None] + 0.05 * rng.random((n, n))
    values = (values + values.T) / 4
    np.fill_diagonal(values, 1)
    return values


@check
def shuffled(shuffled_p: Callable[..., float]) -> None:
    """``shuffled_p(overlap, groups, shuffles, seed)`` compares a grouping with shuffled ones."""
    groups: Sequence[str] = ["a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c"]
    same = np.array(groups)[:, None] == np.array(groups)[None]
    clear = np.where(same, 0.8, 0.2).astype(float)
    np.fill_diagonal(clear, 1)
    given = float(attempted(shuffled_p(pd.DataFrame(clear), groups, 99, 0)))
    expect(given > 0, "a p of 0 claims more than 99 shuffles can show; count the real grouping too.")
    expect(given < 0.5, "clear groups get a large p; do you count the shuffles that fit *at least as well*?")
    expect(abs(given - 0.01) < 0.006, f"with clear groups no shuffle fits as well: p is 1 in 100, not {given:.3f}.")
    backwards = 1 - clear
    np.fill_diagonal(backwards, 1)
    given = float(shuffled_p(pd.DataFrame(backwards), groups, 99, 0))
    expect(given > 0.9, "circuits that share more *across* groups don't follow them; mind the sign, and the diagonal.")
    hub = _hub(len(groups), seed=2)
    order = np.argsort(-hub.sum(1))
    hub = pd.DataFrame(hub[np.ix_(order, order)])
    given, right = float(shuffled_p(hub, groups, 400, 0)), grouping_test(hub, groups, shuffles=400).p_gap
    expect(
        abs(given - right) < 0.12,
        f"where some circuits share much with all, p is about {right:.2f}, not {given:.2f}; shuffle the labels of the "
        "rows, not the entries of the table.",
    )


@check
def dealt_anew(dealt: Callable[..., object]) -> None:
    """``dealt(heads, n_heads, rng)`` gives chance as many heads in each layer."""
    heads = ["a0.h1", "a7.h0", "a7.h2", "a7.h5", "a9.h3"]
    layers = [head.split(".")[0] for head in heads]
    rng, draws = np.random.default_rng(0), []
    for _ in range(200):
        given = attempted(dealt(list(heads), 6, rng))
        expect(not isinstance(given, str) and hasattr(given, "__iter__"), "return the names of the heads.")
        draws.append([str(head) for head in given])
    possible = {f"{layer}.h{n}" for layer in [f"a{k}" for k in range(10)] for n in range(6)}
    expect(all(set(draw) <= possible for draw in draws), "a head is called a7.h0 to a7.h5 where a layer has six.")
    expect(
        all(len(draw) == len(set(draw)) for draw in draws), "a head can't be there twice; draw without putting back."
    )
    expect(all(len(draw) == len(heads) for draw in draws), "a set of another size overlaps more or less by that alone.")
    expect(
        all(sorted(h.split(".")[0] for h in draw) == sorted(layers) for draw in draws),
        "the number of heads in a layer changed. Late layers have more heads that matter, in all relations: "
        "chance has to have them, too.",
    )
    expect(len({tuple(sorted(draw)) for draw in draws}) > 50, "that gives (nearly) the same heads again; use ``rng``.")
    often = pd.Series([head for draw in draws for head in draw]).value_counts() / len(draws)
    sevens = often.reindex([f"a7.h{n}" for n in range(6)], fill_value=0)
    expect(sevens.max() < 0.7 and sevens.min() > 0.3, "not every head of a layer is equally likely.")


@check
def between(standing: Callable[..., float]) -> None:
    """``standing(shared, chance, again)`` puts an overlap between chance and test-retest."""
    for shared, chance, again in ((0.5, 0.2, 0.6), (0.7, 0.4, 0.8), (0.3, 0.3, 0.9)):
        given = number(attempted(standing(shared, chance, again)))
        right = (shared - chance) / (again - chance)
        if abs(given - right) < 1e-6:
            continue
        expect(abs(given - shared / again) > 1e-6, "chance alone would be far above 0 on that scale; take it away.")
        expect(
            abs(given - (shared - chance) / (1 - chance)) > 1e-6,
            "that takes 1 for the top, and no relation reaches 1 with itself.",
        )
        expect(abs(given - (again - shared) / (again - chance)) > 1e-6, "that is what is missing; 1 means: as alike.")
        expect(False, f"({shared}, {chance}, {again}) stands at {right:.2f}, not {given:.2f}.")
