"""The tables of edited circuits in numbers for figures: one value for each fact, then means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import head_place
from helpers.statistics import Estimate, with_interval

FACT = ["model", "relation", "subject"]


def by_layer(before: Circuit, after: Circuit) -> pd.DataFrame:
    """How many edges two circuits share, and only one has, by the layer that reads the edge.

    Returns:
        Columns ``layer`` (the logits come after the last one), ``kept, lost, gained``.
    """
    graph = before.graph
    rows = [graph.reader_rows(n) for n in range(2 * graph.n_layers + 1)]
    sublayers = torch.tensor([part.stop - part.start for part in rows])
    layers = torch.arange(len(sublayers)).repeat_interleave(sublayers) // 2
    parts = {"kept": before & after, "lost": before - after, "gained": after - before}
    rows = {name: torch.bincount(layers, part.mask.sum(1).float()).int().tolist() for name, part in parts.items()}
    return pd.DataFrame({"layer": range(graph.n_layers + 1), **rows})


def means(rows: pd.DataFrame, by: Sequence[str], value: str) -> dict[object, Estimate]:
    """The mean over facts for each group, with the interval that comes from drawing facts again."""
    each = rows.groupby([*by, *FACT], sort=False)[value].mean()
    groups = each.groupby(level=list(range(len(by))) if len(by) > 1 else 0, sort=False)
    return {key: with_interval(values) for key, values in groups}


def effects(reads: pd.DataFrame, editor: str, layer: int, place: str = "last") -> pd.DataFrame:
    """What an edit adds to the new answer's lead over the old one, by layer, as a share of what it adds in the end.

    Args:
        reads: rows of the table ``edited_reads``; its ``stop`` is the layer after which is read, -1 the embedding.

    Returns:
        One row for each fact, one column for each stop.
    """

    def at(where: str, editor: str, layer: int) -> pd.DataFrame:
        rows = reads[(reads.editor == editor) & (reads.layer == layer) & (reads.place == where)]
        return rows.pivot(index=FACT, columns="stop", values="lead")

    def added(where: str) -> pd.DataFrame:
        return at(where, editor, layer) - at(where, "unedited", -1)

    return added(place).div(added("last").iloc[:, -1], axis=0)


def half_way(leads: Sequence[float], share: float = 0.5) -> int:
    """The first place from which on leads stay at or above a share of the last one."""
    below = [place for place, lead in enumerate(leads) if lead < share * leads[-1]]
    return below[-1] + 1 if below else 0


def half_ways(reads: pd.DataFrame, editor: str, layer: int) -> pd.Series:
    """For each fact the layer after which an edit has half of its final effect for good, at the prompt's end."""
    wide = effects(reads, editor, layer)
    return pd.Series([float(wide.columns[half_way(row)]) for row in wide.to_numpy()], wide.index)


def lines(reads: pd.DataFrame, settings: Mapping[str, tuple[str, int]], place: str = "last") -> dict[str, list]:
    """`effects` of several edits as lines with intervals over facts, by their names."""
    found = {}
    for name, (editor, layer) in settings.items():
        wide = effects(reads, editor, layer, place)
        found[name] = [with_interval(wide[stop]) for stop in wide]
    return found


def heads_against(ways: pd.DataFrame, editor: str, layer: int) -> pd.DataFrame:
    """What each head carries of a fact that nobody has edited (``old``) and of an edit (``new``): means over facts.

    Only heads above the edited layer can carry an edit.
    """
    rows = ways[ways.way.str.contains(r"\.h")]
    each = rows.groupby(["editor", "layer", "way"]).share.mean()
    new = each[editor, layer]
    new = new[[head_place(head)[0] > layer for head in new.index]]
    return pd.DataFrame({"old": each["unedited", -1].reindex(new.index), "new": new})


def paired(rows: pd.DataFrame, column: str, value: str, first: str, second: str) -> Estimate:
    """By how much one kind of row lies above another, fact by fact, over the facts that have both."""
    wide = rows.pivot(index=FACT, columns=column, values=value)
    return with_interval((wide[first] - wide[second]).dropna())


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's correlation."""
    return float(np.corrcoef(first, second)[0, 1])
