"""Circuits of questions that take two steps, of their hops, and of questions turned round: what they share and carry.

A share says little alone, as all recall looks alike: so yardsticks stand beside it (compare arXiv 2405.17969).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers.atlas.questions import ask
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig
from helpers.studies.two_hops_and_reversal.two_hops import WAYS, Parts, hop_questions, inside, pairs_of

HOPS = ("composed", "first hop", "second hop")
HALVES = ("train", "test")
PAIRS = 20
NOVELS = ("author_novel", "novel_author")
# What `turned_shares` compares, in the order of a figure.
COMPARED = (
    "same direction, other subjects",
    "other direction, both taught",
    "other direction, not taught",
    "unrelated relation",
    "countries and capitals",
)


def recall_circuit(model, pairs: PromptPairs) -> Circuit:
    """The circuit that EAP-IG finds, greedily, with 3 % of all edges."""
    return eap_ig(model, pairs).greedy(int(0.03 * Graph.from_model(model).n_edges))


def hop_tables(model, asked: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Taught two-step questions and their hops, as far as they are answered rightly: at most 30, one for each subject.

    Args:
        asked: `chain_questions` of one relation, put to the model by `ask`.

    Returns:
        (one of `HOPS`, one of `HALVES`) -> questions; no fact is in both halves.
    """
    taught = asked[(asked.wording == 0) & (asked.case == "taught")]
    tables = [taught, *(ask(model, hop_questions(taught, hop)) for hop in ("first", "second"))]
    known = {what: t[t.right].drop_duplicates("subject") for what, t in zip(HOPS, tables, strict=True)}
    return {(what, half): t[t.half == half].head(30) for what, t in known.items() for half in HALVES}


def turned_circuits(model, asked: pd.DataFrame) -> dict[tuple[str, str, int], Circuit]:
    """Circuits of questions asked both ways; where the answer was never taught, of what the model says instead.

    Args:
        asked: `reversal_questions`, put to the model by `ask`.

    Returns:
        (relation, one of `WAYS`, half: every second question) -> circuit.
    """
    found = {}
    for (name, way), own in asked[asked.wording == 0].groupby(["relation", "case"]):
        own = own.reset_index(drop=True)
        target = "said_id" if way == WAYS[2] else "first"
        for half in (0, 1):
            table = own.iloc[half::2].reset_index(drop=True).head(40)
            found[name, way, half] = recall_circuit(model, pairs_of(model, table, own, n=PAIRS, target=target))
    return found


def turned_shares(
    found: Mapping[tuple[str, str, int], Circuit], unrelated: Sequence[Circuit], parts: Parts = "edges"
) -> pd.DataFrame:
    """How much of several circuits lies in that of the question as taught, for novels and authors, each half.

    Args:
        found: from `turned_circuits`.
        unrelated: circuits of relations that have nothing to do with it; their mean counts.

    Returns:
        Columns ``what`` (one of `COMPARED`), ``share``, and ``unrelated`` beside each untaught direction: the share of
        the unrelated circuits in the same circuit.
    """
    same, both, untaught, other, capitals = COMPARED
    rows = []
    for home, name in (NOVELS, NOVELS[::-1]):
        for half in (0, 1):
            whole = found[name, WAYS[1], half]
            plain = sum(inside(c, whole, parts) for c in unrelated) / len(unrelated)
            rows += [
                (same, inside(found[name, WAYS[1], 1 - half], whole, parts), None),
                (both, inside(found[home, WAYS[0], half], found[name, WAYS[0], half], parts), None),
                (other, plain, None),
                (untaught, inside(found[home, WAYS[2], half], whole, parts), plain),
            ]
    for half in (0, 1):
        pair = [found[name, WAYS[0], half] for name in ("capital_country", "country_capital")]
        rows.append((capitals, inside(*pair, parts), None))
    return pd.DataFrame(rows, columns=["what", "share", "unrelated"]).astype({"unrelated": float})
