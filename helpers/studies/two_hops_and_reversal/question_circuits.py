"""Circuits of questions that take two steps, of their hops, and of questions turned round: what they share and carry.

A share says little alone, as all recall looks alike: so yardsticks stand beside it (compare arXiv 2405.17969).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers.atlas.questions import ask
from helpers.circuits.evaluation import baselines, faithfulness
from helpers.circuits.graph import Circuit, Graph
from helpers.circuits.metrics import logit_diff
from helpers.circuits.random import random_circuit
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig
from helpers.studies.two_hops_and_reversal.reversal import WAYS
from helpers.studies.two_hops_and_reversal.two_hops import (
    CircuitParts,
    hop_questions,
    inside,
    inside_by_chance,
    pairs_of,
)

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


def recall_circuit(model, pairs: PromptPairs, share: float = 0.03) -> Circuit:
    """The circuit that EAP-IG finds, greedily, with a share of all edges."""
    return eap_ig(model, pairs).greedy(int(share * Graph.from_model(model).n_edges))


def hop_tables(model, asked: pd.DataFrame, n: int = 30) -> dict[tuple[str, str], pd.DataFrame]:
    """Taught two-step questions and their hops, as far as they are answered rightly, one for each subject.

    Args:
        asked: `chain_questions` of one relation, put to the model by `ask`.
        n: at most so many of each.

    Returns:
        (one of `HOPS`, one of `HALVES`) -> questions; no fact is in both halves.
    """
    taught = asked[(asked.wording == 0) & (asked.case == "taught")]
    tables = [taught, *(ask(model, hop_questions(taught, hop)) for hop in ("first", "second"))]
    known = {what: t[t.right].drop_duplicates("subject") for what, t in zip(HOPS, tables, strict=True)}
    return {(what, half): t[t.half == half].head(n) for what, t in known.items() for half in HALVES}


def hop_circuits(model, tables: Mapping[tuple[str, str], pd.DataFrame]) -> dict[tuple[str, str], Circuit]:
    """A circuit for each of the `hop_tables` that the comparison needs: all but the second hop's test half."""
    return {
        key: recall_circuit(model, pairs_of(model, table, n=PAIRS))
        for key, table in tables.items()
        if key != (HOPS[2], "test")
    }


def hop_shares(
    found: Mapping[tuple[str, str], Circuit], unrelated: Sequence[Circuit], parts: CircuitParts = "edges"
) -> dict[str, float]:
    """How much of several circuits lies in the composed one (`inside`), and of that in both hops.

    Args:
        found: from `hop_circuits`.
        unrelated: circuits of relations that have nothing to do with it; their mean counts.
    """
    composed, first, second = (found[what, "train"] for what in HOPS)
    chance = inside_by_chance(first, composed, parts)
    return {
        "same relation, other subjects": inside(found["composed", "test"], composed, parts),
        "first hop": inside(first, composed, parts),
        "second hop": inside(second, composed, parts),
        "unrelated relation": sum(inside(c, composed, parts) for c in unrelated) / len(unrelated),
        "heads exchanged": sum(chance) / len(chance),
        "composed, in both hops": inside(composed, first | second, parts),
    }


def carried(model, circuits: Mapping[str, Circuit], pairs: Mapping[str, PromptPairs]) -> pd.DataFrame:
    """Which circuit keeps how much of which answers: faithfulness by the logit difference.

    Args:
        circuits: name -> circuit, the rows.
        pairs: name -> questions, the columns.
    """
    columns = {}
    for what, asked in pairs.items():
        scale = baselines(model, asked, logit_diff, "corrupt")
        columns[what] = {
            name: float(faithfulness(model, circuit, asked, scale=scale)) for name, circuit in circuits.items()
        }
    return pd.DataFrame(columns)


def carried_by_hops(
    model,
    asked: pd.DataFrame,
    tables: Mapping[tuple[str, str], pd.DataFrame],
    found: Mapping[tuple[str, str], Circuit],
    unrelated: Circuit,
) -> pd.DataFrame:
    """`carried` for composed questions: by the circuits of `HOPS`, and by three others.

    Args:
        asked: two-step questions of one relation that were asked.
        tables, found: from `hop_tables` and `hop_circuits`.
        unrelated: the circuit of a relation that has nothing to do with it.

    Returns:
        Columns ``taught`` (the half that chose no edge) and ``held out`` (those answered rightly). The last row is
        everything but the edges of the second hop's circuit that the composed circuit lacks.
    """
    never = asked[(asked.case == "held out") & asked.right].head(PAIRS)
    pairs = {
        "taught": pairs_of(model, tables["composed", "test"], n=PAIRS),
        "held out": pairs_of(model, never, asked[asked.right], n=PAIRS),
    }
    by = {what: found[what, "train"] for what in HOPS}
    exchanged = random_circuit(unrelated.graph, like=by["composed"], seed=1)
    lacking = ~(by["second hop"] - by["composed"])
    others = {"unrelated": unrelated, "heads exchanged": exchanged, "without second hop's own": lacking}
    return carried(model, by | others, pairs)


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
        target = "said" if way == WAYS[2] else "answer"
        for half in (0, 1):
            table = own.iloc[half::2].reset_index(drop=True).head(40)
            found[name, way, half] = recall_circuit(model, pairs_of(model, table, own, n=PAIRS, target=target))
    return found


def turned_shares(
    found: Mapping[tuple[str, str, int], Circuit], unrelated: Sequence[Circuit], parts: CircuitParts = "edges"
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
