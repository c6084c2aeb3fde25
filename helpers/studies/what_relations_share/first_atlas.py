"""Circuits of the first Atlas, three for each relation: *Edited circuits* compares those of two steps with the whole.

``make tables NAME=sharing`` writes the table ``circuits`` to ``helpers/tables``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.wordings import asked_relations
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.prompts.facts import relation_pairs
from helpers.prompts.relations import relation, relations
from helpers.searches.attribution import find_circuit
from helpers.studies.tables import Load, Write, read_table

N_PAIRS = 20
# Three circuits for each relation, each found with 20 pairs: how these differ from the first is what the names say.
DRAWS = ("first", "other subjects", "other words")


def shared_relations() -> list[str]:
    """The relations that are compared: those of the sweeps, the invented and the composed ones."""
    return [*asked_relations(), *relations("fiction"), *relations("composed")]


def relation_circuit(model, name: str, draw: str = "first") -> Circuit:
    """A relation's circuit, found on 20 pairs.

    Raises:
        ValueError: for an unknown draw.
    """
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}; choose from {', '.join(DRAWS)}")
    # After the beginning of a sentence, a subject's capital letter may change its tokens.
    paraphrase = next(n for n, t in enumerate(relation(name).templates) if n and not t.startswith("{}"))
    options = {"first": {}, "other subjects": {"split": "test"}, "other words": {"paraphrase": paraphrase}}
    return find_circuit(model, relation_pairs(model, name, N_PAIRS, **options[draw]))


def circuit_rows(model, names: Sequence[str]) -> pd.DataFrame:
    """Columns ``relation, draw, edges``: the names of the edges in the graph's order, with spaces between them."""
    wanted = tqdm([(name, draw) for name in names for draw in DRAWS])
    rows = [(*each, " ".join(relation_circuit(model, *each).edges)) for each in wanted]
    return pd.DataFrame(rows, columns=["relation", "draw", "edges"])


def read_circuits(graph: Graph, draw: str = "first", table: pd.DataFrame | None = None) -> dict[str, Circuit]:
    """The committed circuits of one draw, by relation.

    Raises:
        ValueError: for an unknown draw, or a graph that lacks some of the edges.
    """
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}; choose from {', '.join(DRAWS)}")
    table = read_table("circuits") if table is None else table
    chosen = table[table.draw == draw]
    return {row.relation: Circuit.from_edges(graph, row.edges.split()) for row in chosen.itertuples()}


def write_tables(load: Load, write: Write) -> None:
    """Find circuits of all relations."""
    write("circuits", circuit_rows(load("atlas"), shared_relations()))
