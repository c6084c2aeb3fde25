"""SmolLM2's heads in the relations that it knows: their names, and which heads several relations share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.checks import Count, Whole, checked
from helpers.components.head_classes import name_heads
from helpers.components.heads import measure_heads
from helpers.prompts.facts import relation_pairs
from helpers.studies.smollm2.circuits import known_relations
from helpers.studies.tables import Load, Write, read_table, write_parts

PAIRS = 10
UNUSED = ["writes_answer", "writes_type", "effect_mean", "type_rises", "answer_falls"]
UNUSED += ["answer_falls_zero", "type_falls_zero"]


def head_rows(model, name: str, template: int) -> pd.DataFrame:
    """What `name_heads` needs of all heads in one relation, and their effects: measured, not yet named."""
    measured = measure_heads(model, relation_pairs(model, name, PAIRS, paraphrase=template))
    return measured.drop(columns=UNUSED).assign(relation=name).round(3)


def named_heads() -> pd.DataFrame:
    """The committed measurements with each head's ``class`` in each relation, and shares of the model's own values.

    ``lead_share, type_share`` are what a head brings from the subject to the answer (against the other answers), and
    from the other words to the type; ``effect_share`` is the fall of the logit difference when all its edges are cut.
    """
    each = read_table("smollm2_heads").groupby("relation", sort=False)
    table = pd.concat([name_heads(rows) for _, rows in each], ignore_index=True)
    lead = (table.from_subject_answer - table.from_subject_type) / (table.model_answer - table.model_type)
    shares = dict(lead_share=lead, type_share=table.from_relation_type / table.model_type)
    return table.assign(effect_share=table.effect / table.model_diff, **shares)


@checked
def shared_heads(named: pd.DataFrame, n_heads: Count, draws: Count = 2000, seed: Whole = 0) -> pd.DataFrame:
    """In how many relations each head has a name, beside chance: as many heads of each layer, drawn anew each time.

    Late heads are named more often than early ones, whatever they do; drawing within the layer allows for that.

    Args:
        named: a row for each head of each relation that has the name (columns ``relation, head, layer``).
        n_heads: heads of a layer.

    Returns:
        A row for each named head: ``relations`` that share it, ``expected`` by chance, and ``p``, the share of draws in
        which *some* head of the model is named as often (so that looking at all heads at once isn't rewarded).
    """
    rng, counts = np.random.default_rng(seed), named.groupby(["relation", "layer"]).size()
    most, total = np.zeros(draws), {}
    for layer, each in counts.groupby("layer"):
        drawn = np.zeros((draws, n_heads), int)
        for count in each:
            drawn += rng.random((draws, n_heads)).argsort(1) < count
        most = np.maximum(most, drawn.max(1))
        total[layer] = each.sum() / n_heads
    table = named.groupby(["head", "layer"]).relation.nunique().rename("relations").reset_index()
    table["expected"] = table.layer.map(total)
    table["p"] = [(1 + (most >= n).sum()) / (1 + draws) for n in table.relations]
    return table.sort_values("relations", ascending=False, ignore_index=True)


def all_rows(model) -> Iterator[pd.DataFrame]:
    """All heads of all relations that the model knows."""
    return (head_rows(model, name, template) for name, template in known_relations().items())


def write_tables(load: Load, write: Write) -> None:
    """Measure the heads of SmolLM2."""
    write_parts(write, "smollm2_heads", all_rows(load("smollm2")))
