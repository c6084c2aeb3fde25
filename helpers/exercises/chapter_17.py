"""Checks of the exercises in *An atlas of circuits*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.exercises.kit import attempted, check, expect

# Relation, kind, half, edges: small enough to count by hand.
SIZES = [("a", "x", "train", 10), ("a", "x", "test", 30), ("b", "x", "train", 50), ("b", "x", "test", 52)]
SIZES += [("c", "x", "train", 99), ("d", "y", "train", 40), ("d", "y", "test", 60)]


@check
def counts_relations(sizes_by_kind: Callable[[pd.DataFrame, str], pd.Series]) -> None:
    """``sizes_by_kind(table, model)``: the median over a model's relations of the mean over halves."""
    table = pd.DataFrame(SIZES, columns=["relation", "kind", "half", "needed"]).assign(model="one")
    other = table.assign(model="two", needed=table.needed * 3)
    given = attempted(sizes_by_kind(pd.concat([table, other], ignore_index=True), "one"))
    expect(isinstance(given, pd.Series) and set(given.index) == {"x", "y"}, "return a Series with one value a kind.")
    expect(given["y"] not in (100, 150), "circuits of the other model are among those counted.")
    expect(given["x"] != 50, "rows were counted: take the mean over a relation's halves first, then the median.")
    expect(abs(given["x"] - 170 / 3) > 0.1, "that is the mean over the relations, not their median.")
    expect(tuple(given[["x", "y"]]) == (51, 50), f"the medians are 51 and 50 here, not {given.to_dict()}.")


@check
def finds_again(found_again: Callable[[Sequence[Circuit]], float]) -> None:
    """``found_again(circuits)``: the mean Jaccard overlap of two different draws."""
    graph = Graph(2, 2, 2)
    names = ["embed->m0", "m0->m1", "m1->logits", "a0.h0->m1", "a0.h1->logits"]
    draws = [Circuit.from_edges(graph, [names[i] for i in part]) for part in ((0, 1, 2, 3), (0, 1), (0, 4))]
    given = attempted(found_again(draws))
    expect(isinstance(given, float | int), "return one number.")
    right = (1 / 2 + 1 / 5 + 1 / 3) / 3
    expect(abs(given - (2 * 3 * right + 3) / 9) > 1e-6, "a circuit was compared with itself, too: that says nothing.")
    expect(abs(given - (1 / 2 + 1 / 5) / 2) > 1e-6, "only the first draw was compared with the others.")
    expect(
        abs(given - (1 + 1 / 2 + 1 / 2) / 3) > 1e-6, "divide by the edges that *either* has, not by the smaller one's."
    )
    expect(abs(given - 3 * right) > 1e-6, "that is the sum over the couples; take the mean.")
    expect(abs(given - 1 / 5) > 1e-6, "that is what all of them share; compare two at a time.")
    expect(abs(given - right) < 1e-6, f"for these three draws it is {right:.3f}, not {given:.3f}.")


@check
def finds_cores(
    core: Callable[[Sequence[Circuit]], Circuit], own_core: Callable[[Sequence[Circuit], Sequence[Circuit]], Circuit]
) -> None:
    """``core`` is what all circuits have; ``own_core`` what fewer than half of the others have of it."""
    graph = Graph(2, 2, 2)
    names = ["embed->m0", "m0->m1", "m1->logits", "a0.h0->m1", "a0.h1->logits"]
    some = [Circuit.from_edges(graph, [names[i] for i in part]) for part in ((0, 1, 2, 3), (0, 1, 2), (0, 1, 2, 4))]
    given = attempted(core(some))
    expect(isinstance(given, Circuit), "return a circuit: `&` of two circuits is one.")
    expect(set(given) != set(names), "those are the edges that any of them has; `&` is what both have.")
    expect(set(given) == set(names[:3]), "the core here has three edges; are all circuits taken into account?")
    others = [Circuit.from_edges(graph, [names[i] for i in part]) for part in ((0, 1), (0, 1), (0, 2), (3,), (0, 4))]
    given = attempted(own_core(some, others))
    expect(isinstance(given, Circuit), "return a circuit.")
    expect(set(given) != {names[0]}, "those are the common edges; take them away from the core.")
    expect(set(given) != set(), "edges that only some of the others have stay: fewer than half must have them.")
    expect(names[3] not in given, "only edges of the core count.")
    expect(set(given) == {names[1], names[2]}, f"here it is {names[1]} and {names[2]}, not {', '.join(given)}.")
