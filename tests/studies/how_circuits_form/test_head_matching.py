"""Heads that were only renumbered are found again; heads that have nothing to do with each other are not."""

import numpy as np
import pandas as pd
import pytest

from helpers.circuits.circuit import permute_heads, random_circuit
from helpers.circuits.graph import Graph
from helpers.studies.how_circuits_form.head_matching import (
    ModelProfile,
    alike,
    compare,
    match_heads,
    moved_names,
    profile,
    shuffled_orders,
)

GRAPH = Graph(2, 4, 4)
NAMES = ("a", "b", "c", "d")
COLUMNS = ["to_subject", "to_relation", "from_subject_answer", "from_relation_type", "effect"]


def seen(seed: int, noise: float = 0.1) -> ModelProfile:
    """Heads that do the same in all relations, up to noise; movers are those that look at the subject."""
    rng = np.random.default_rng(seed)
    base, heads, circuits = rng.normal(size=(8, 5)), {}, {}
    for n, name in enumerate(NAMES):
        frame = pd.DataFrame(base + noise * rng.normal(size=(8, 5)), columns=COLUMNS)
        frame["class"] = np.where(base[:, 0] > 0, "mover", "none")
        heads[name], circuits[name] = frame, random_circuit(GRAPH, 30, seed=seed + n)
    return ModelProfile(heads, circuits)


def renumbered(one: ModelProfile, orders) -> ModelProfile:
    """The same model with its heads at other places."""
    heads = {}
    for name, frame in one.heads.items():
        places = [8 // 2 * layer + new for layer, order in enumerate(orders) for new in order]
        heads[name] = frame.set_axis(places).sort_index()
    return ModelProfile(heads, {name: permute_heads(c, orders) for name, c in one.circuits.items()})


def test_profile_is_in_standard_deviations():
    table = profile(seen(0).heads["a"].assign(effect=3.0))
    assert table.mean(0) == pytest.approx(np.zeros(5), abs=1e-9)
    assert table[:, :4].std(0) == pytest.approx(np.ones(4)) and not table[:, 4].any(), "no spread, no difference"


def test_renumbered_heads_are_found_again():
    one, orders = seen(0), [[2, 0, 3, 1], [1, 0, 3, 2]]
    other = renumbered(one, orders)
    back = match_heads(one, other, NAMES)
    assert [[back[layer][new] for new in orders[layer]] for layer in range(2)] == [[0, 1, 2, 3]] * 2
    assert alike(one, other, "a", back) == {"names": 1.0, "edges": 1.0}
    assert alike(one, other, "a")["edges"] < 0.9
    table = compare(one, other)
    assert (table.matched == 1).all() and table.numbered.mean() < 0.9 and table.shuffled.mean() < 0.9
    assert set(table.relation) == set(NAMES) and len(table) == 2 * len(NAMES)


def test_the_same_model_is_alike_as_numbered_and_strangers_are_not():
    one = seen(0)
    assert (compare(one, one)[["numbered", "matched"]] == 1).all(axis=None)
    strangers = compare(one, seen(99)).set_index("measure")
    assert strangers.loc["edges", "matched"].mean() < 0.5


def test_matching_never_sees_the_relation_that_it_is_judged_by():
    one = seen(0)
    rng = np.random.default_rng(5)
    heads = {n: f.assign(**{c: rng.normal(size=8) for c in COLUMNS}) for n, f in one.heads.items()}
    heads = {n: (heads[n] if n in NAMES[::2] else one.heads[n]) for n in NAMES}
    table = compare(one, ModelProfile(heads, one.circuits)).set_index(["relation", "measure"])
    assert (table.loc[list(NAMES[::2]), "matched"] == 1).all(), "judged by the others, which are the same"
    assert table.loc[list(NAMES[1::2]), "matched"].mean() < 1


def test_names_move_with_their_heads():
    frame = pd.DataFrame({"class": list("abcdefgh")})
    assert "".join(moved_names(frame, [[1, 2, 3, 0], [0, 1, 2, 3]])) == "dabcefgh"


def test_orders_stay_within_layers():
    first, again = shuffled_orders((2, 4), 3), shuffled_orders((2, 4), 3)
    assert first == again and all(sorted(order) == [0, 1, 2, 3] for order in first)


def test_bad_inputs():
    one = seen(0)
    with pytest.raises(ValueError, match="must agree"):
        ModelProfile(one.heads, {})
    part = ModelProfile({"a": one.heads["a"]}, {"a": one.circuits["a"]})
    with pytest.raises(ValueError, match="two or more"):
        compare(part, part)
    wide = Graph(2, 5, 5)
    other = ModelProfile(one.heads, {n: random_circuit(wide, 30) for n in NAMES})
    with pytest.raises(ValueError, match="can't be matched"):
        match_heads(one, other, NAMES)
