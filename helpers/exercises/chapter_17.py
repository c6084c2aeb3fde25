"""Checks of the exercises in *An atlas of circuits*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.exercises.kit import attempted, check, expect

# Relation, kind, method, seed, edges: small enough to count by hand.
SIZES = [("a", "x", 0, 10), ("a", "x", 1, 20), ("a", "x", 2, 30), ("b", "x", 0, 50), ("c", "x", 0, 99)]
SIZES += [("d", "y", 0, 40), ("d", "y", 1, 60)]


@check
def counts_relations(sizes_by_kind: Callable[[pd.DataFrame], pd.Series]) -> None:
    """``sizes_by_kind(table)``: the median over relations of the mean over seeds, of circuits found by EAP-IG."""
    table = pd.DataFrame(SIZES, columns=["relation", "kind", "seed", "edges"]).assign(method="eap_ig")
    other = table.assign(method="acdc", edges=table.edges * 3)
    given = attempted(sizes_by_kind(pd.concat([table, other], ignore_index=True)))
    expect(isinstance(given, pd.Series) and set(given.index) == {"x", "y"}, "return a Series with one value a kind.")
    expect(given["y"] not in (100, 150), "circuits found by acdc are among those counted.")
    expect(given["x"] != 30, "rows were counted: take the mean over a relation's seeds first, then the median.")
    expect(abs(given["x"] - 169 / 3) > 0.1, "that is the mean over the relations, not their median.")
    expect(given["x"] != 70 / 2, "every relation counts, whatever seeds it has.")
    expect(tuple(given[["x", "y"]]) == (50, 50), f"both kinds have a median of 50 here, not {given.to_dict()}.")


@check
def makes_keys(my_key: Callable[[Mapping, Sequence, Mapping], str]) -> None:
    """``my_key(weights, pairs, options)`` is the same for equal things, and differs when anything does."""
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, dtype=np.float32)}
    pairs, options = [((0, 1), (0, 2)), ((0, 3), (0, 4))], {"method": "eap", "share": 0.03}
    key = attempted(my_key(weights, pairs, options))
    expect(isinstance(key, str), "return a string.")

    def same(weights=weights, pairs=pairs, options=options) -> bool:
        return my_key(weights, pairs, options) == key

    expect(same(), "it differs between two calls with the same arguments.")
    turned = dict(reversed(options.items())), dict(reversed(weights.items()))
    expect(same(options=turned[0]), "the order in which the options were filled in shouldn't count.")
    expect(same(weights=turned[1]), "the order in which the weights were filled in shouldn't count.")
    expect(same(weights={n: w.copy() for n, w in weights.items()}), "a copy of the weights is equal, so its key is.")
    expect(not same(options=options | {"share": 0.04}), "another option gave the same key.")
    expect(not same(pairs=pairs[::-1]), "the pairs in another order gave the same key.")
    expect(not same(pairs=[((0, 1), (0, 2)), ((0, 3), (0, 5))]), "another token gave the same key.")
    large = {"a": np.zeros((100, 100), dtype=np.float32)}
    changed = {"a": large["a"].copy()}
    changed["a"][50, 50] = 1e-6
    different = my_key(large, pairs, options) != my_key(changed, pairs, options)
    expect(different, "one weight in the middle changed, and the key didn't: printing an array leaves most of it out.")
    expect(not same(weights=weights | {"a": weights["a"].reshape(3, 2)}), "weights of another shape gave the same key.")
    expect(not same(weights={"c": weights["a"], "b": weights["b"]}), "weights of another name gave the same key.")


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
