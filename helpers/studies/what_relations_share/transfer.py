"""Every relation's circuit asked every other relation: what it keeps, what is lost without it, and the overlaps.

``make tables NAME=shared`` writes the tables to ``helpers/tables``; the table ``shared_heads`` is `heads`'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm.auto import tqdm

from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.metrics import hit_at_k, logit_diff
from helpers.circuits.overlap import chance_overlaps, overlaps
from helpers.circuits.scores import Scores
from helpers.studies.other_circuits import kept_by, unrelated_circuit
from helpers.studies.tables import Load, Write
from helpers.studies.what_relations_share.circuits import (
    MODELS,
    SIZE,
    SIZES,
    Asked,
    all_asked,
    found,
)

PERMUTED = 3  # draws of an asked relation's own circuit with permuted heads
FOREIGN = 1  # other relations in the tables of cuts and sizes: a run of all edges but some takes long
CUT_EVERY = {"smollm2": 2, "atlas2": 1}  # which relations are in the table of cuts
UNRELATED, RANDOM, HEADS, WORDS = "unrelated relations", "random", "permuted heads", "other words"


@dataclass(frozen=True)
class Found:
    """A model's relations with the scores of their edges: from one half, from the other, in another template."""

    model: object
    asked: Mapping[str, Asked]
    scores: Mapping[str, Scores]
    other_half: Mapping[str, Scores]
    other_words: Mapping[str, Scores]


def all_found(model, name: str) -> Found:
    """Ask a model everything that it knows, and find the circuits."""
    asked = {one.name: one for one in all_asked(model, name)}
    worded = {n: found(model, one.reworded) for n, one in asked.items() if one.reworded}
    halves = ({n: found(model, getattr(one, half)) for n, one in asked.items()} for half in ("train", "test"))
    return Found(model, asked, *halves, worded)


def tried(every: Found, name: str, size: int) -> Iterator[tuple[str, Circuit]]:
    """The circuits that a relation is asked with, the other relations' and its opponents', with their names."""
    circuits = {other: scores.greedy(size) for other, scores in every.scores.items()}
    graph = circuits[name].graph
    yield from circuits.items()
    yield UNRELATED, unrelated_circuit(every.scores, name, size)
    if name in every.other_words:
        yield WORDS, every.other_words[name].greedy(size)
    yield RANDOM, random_circuit(graph, size)
    for seed in range(PERMUTED):
        yield HEADS, random_circuit(graph, seed=seed, like=circuits[name])


def transfer_rows(every: Found, name: str, size: int) -> pd.DataFrame:
    """Columns ``asked, circuit, kept``: the faithfulness of a circuit on a relation's held-out pairs.

    The row of `HEADS` is the mean over `PERMUTED` draws.
    """
    names, circuits = zip(*tried(every, name, size), strict=True)
    kept = kept_by(every.model, circuits, every.asked[name].held_out)
    table = pd.DataFrame({"asked": name, "circuit": names, "kept": kept})
    return table.groupby(["asked", "circuit"], sort=False).kept.mean().reset_index()


def cut_rows(every: Found, name: str, size: int) -> pd.DataFrame:
    """Columns ``asked, circuit, cut, edges, left``: what a relation keeps when edges are cut out of the whole model.

    ``cut`` is the whole circuit (its own, another's, an opponent's), or of two circuits what only one of them has.
    """
    own = every.scores[name].greedy(size)
    cuts = {(name, "whole"): own, (HEADS, "whole"): random_circuit(own.graph, like=own)}
    cuts[RANDOM, "whole"] = random_circuit(own.graph, size)
    for other in far_relations(every, name):
        theirs = every.scores[other].greedy(size)
        cuts |= {
            (other, "whole"): theirs,
            (other, "only its own"): own - theirs,
            (other, "only the other's"): theirs - own,
        }
    left = kept_by(every.model, [~circuit for circuit in cuts.values()], every.asked[name].held_out)
    rows = [(name, *key, c.n_edges, value) for (key, c), value in zip(cuts.items(), left, strict=True)]
    return pd.DataFrame(rows, columns=["asked", "circuit", "cut", "edges", "left"])


def far_relations(every: Found, name: str) -> list[str]:
    """`FOREIGN` other relations, evenly far apart in the order of all, which goes by kind or by what is known."""
    names = list(every.scores)
    steps = [(n + 1) * len(names) // (FOREIGN + 1) for n in range(FOREIGN)]
    return [names[(names.index(name) + step) % len(names)] for step in steps]


def overlap_rows(every: Found, size: int) -> pd.DataFrame:
    """Columns ``asked, circuit, shared, chance``: Jaccard overlaps of two circuits, and with one's heads permuted.

    A relation with itself: its circuits from both halves of the facts, which have no subject in common (test-retest).
    """
    one = {name: scores.greedy(size) for name, scores in every.scores.items()}
    half, words = ({n: s.greedy(size) for n, s in some.items()} for some in (every.other_half, every.other_words))
    shared, (chance, _) = overlaps(one), chance_overlaps(one, draws=4)
    rows = [
        (a, b, one[a].jaccard(half[a]) if a == b else shared.loc[a, b], chance.loc[a, b])
        for a in one
        for b in one
    ]  # fmt: skip
    rows += [(name, WORDS, one[name].jaccard(circuit), float("nan")) for name, circuit in words.items()]
    return pd.DataFrame(rows, columns=["asked", "circuit", "shared", "chance"])


def relation_row(every: Found, name: str) -> dict[str, object]:
    """How a model is asked a relation: the template, the tokens of its subjects and after them, and what it says."""
    asked = every.asked[name]
    pairs, spans = asked.train, asked.train.subjects
    after = [len(ids) - span.stop for ids, span in zip(pairs.clean_ids, spans, strict=True)]
    logits = asked.test.clean_logits(every.model)
    return dict(
        relation=name,
        template=asked.template,
        subject_tokens=sum(span.stop - span.start for span in spans) / len(spans),
        tokens_after=sum(after) / len(after),
        logit_diff=logit_diff(logits, asked.test).mean().item(),
        hit1=hit_at_k(logits, asked.test, 1).mean().item(),
    )


def size_rows(every: Found, name: str, sizes: Sequence[int]) -> Iterator[dict[str, object]]:
    """By size, what its circuit keeps of the pairs that it was found on (``train``) and of others; and what others do.

    ``unrelated`` is `unrelated_circuit`, ``other`` the mean of `far_relations`.
    """
    asked, others = every.asked[name], far_relations(every, name)
    for size in sizes:
        own = every.scores[name].greedy(size)
        circuits = [own, unrelated_circuit(every.scores, name, size), *(every.scores[o].greedy(size) for o in others)]
        (train,), (kept, common, *foreign) = (
            kept_by(every.model, some, pairs) for some, pairs in (([own], asked.train), (circuits, asked.held_out))
        )
        row = dict(relation=name, edges=size, train=train, own=kept)
        yield row | dict(unrelated=common, other=sum(foreign) / len(foreign))


def write_tables(load: Load, write: Write) -> None:
    """Find, exchange and compare the circuits of all models."""
    tables = defaultdict(list)

    def add(table: str, model: str, rows: pd.DataFrame) -> None:
        tables[table].append(rows.assign(model=model))
        write(f"shared_{table}", pd.concat(tables[table], ignore_index=True))

    for model in MODELS:
        every, size = all_found(load(model), model), SIZE[model]
        add("relations", model, pd.DataFrame([relation_row(every, name) for name in every.scores]))
        add("overlaps", model, overlap_rows(every, size))
        for place, name in enumerate(tqdm(every.scores, desc=f"{model}, asked")):
            add("transfer", model, transfer_rows(every, name, size))
            if place % CUT_EVERY[model] == 0:
                add("cuts", model, cut_rows(every, name, size))
            if SIZES[model]:
                add("sizes", model, pd.DataFrame(size_rows(every, name, SIZES[model])))
