"""What the chapter shows of the tables of lists: means over relations, with intervals that draw relations again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.statistics import Estimate, exact_interval, with_interval
from helpers.studies.in_context_learning.demonstrations import PARTS, SHOWN, new_heads
from helpers.studies.in_context_learning.settings import NOVEL, UNLISTED
from helpers.studies.tables import read_table

CLASSES = ("right labels", "random labels", "letters labels")
PAPER = {  # GPT-2 medium (arXiv 2405.17969), % right: all heads, without the new ones, without random ones
    "comparative": (62.2, 32.6, 58.2),
    "sentiment": (89.0, 55.5, 88.6),
    "substance_phase": (78.7, 52.9, 71.2),
    "occupation_gender": (87.0, 59.5, 86.5),
    "person_occupation": (35.2, 23.3, 31.6),
}
GAP = "costs more"
SETS = (NEW, VECTOR, INDUCTION) = ("new in the circuit", "function vector", "induction")


def rows_of(table: str, model: str) -> pd.DataFrame:
    """A table's rows of one model."""
    rows = read_table(table)
    return rows[rows.model == model]


def answers(model: str) -> pd.DataFrame:
    """The share of right answers by relation and kind of demonstrations, without relations that were never listed."""
    rows = rows_of("lists_answers", model)
    rows = rows[~rows.relation.isin((*UNLISTED, NOVEL)) & ~rows.kind.isin(CLASSES)]
    return rows.pivot(index="relation", columns="kind", values="value")


def misled(model: str) -> dict[str, Estimate]:
    """Right answers after right and after wrong demonstrations, and how often wrong ones were followed."""
    rows = rows_of("lists_answers", model)
    rows = rows[~rows.relation.isin(UNLISTED)]
    found = {"right labels": with_interval(rows.value[rows.kind == "5"])}
    for kind in ("shuffled", "other relation", "answered wrongly"):
        own = rows[rows.kind == kind]
        found[f"{kind}: right"] = with_interval(own.value)
        if kind != "shuffled":  # any label is suggested then, and none of them in particular
            found[f"{kind}: as shown"] = with_interval(own.suggested)
    copied = rows[rows.kind == "novel"]
    for share, n in zip(copied.value, copied.n, strict=True):
        found["novel pairs: copied"] = exact_interval(round(share * n), int(n))
    return found


def classes(model: str) -> pd.DataFrame:
    """The share of right answers in relations of few answers, by kind of labels; ``chance`` is an even guess."""
    rows = rows_of("lists_answers", model)
    rows = rows[rows.kind.isin(CLASSES)]
    table = rows.pivot(index="relation", columns="kind", values="value").reindex(columns=CLASSES)
    return table.assign(chance=[1 / 3 if name == "substance_phase" else 1 / 2 for name in table.index])


def overlap_means(model: str) -> dict[str, Estimate]:
    """Jaccard overlaps of circuits of known sentences and of lists; the last is the test-retest overlap."""
    rows = rows_of("lists_overlaps", model)
    rows = rows[rows.known & (rows["first"] == "sentence")]
    found = {"sentence, permuted heads": with_interval(rows.permuted[rows.second == "sentence"])}
    for second, label in (("all", "list, all swapped"), ("query", "list, query swapped"), ("sentence", "sentence")):
        found[f"sentence and {label}"] = with_interval(rows.shared[rows.second == second])
    return found


def overlap_rows(model: str) -> pd.DataFrame:
    """What the sentence's circuit shares, relation by relation; ``known`` says whether the sentences are answered."""
    rows = rows_of("lists_overlaps", model)
    rows = rows[rows["first"] == "sentence"]
    table = rows.pivot(index="relation", columns="second", values="shared")[["all", "query", "sentence"]]
    permuted = rows[rows.second == "sentence"].set_index("relation")
    return table.assign(permuted=permuted.permuted, known=permuted.known)


def looks(model: str) -> dict[str, list[Estimate]]:
    """How often a token of each part but the first gets what even attention would give it, the first token left out.

    For new heads, and for heads of both sentences' circuits. Each relation counts once; intervals draw relations again.
    """
    found: dict[str, list[list[float]]] = {"new heads": [], "heads of the sentence": []}
    for _, rows in rows_of("lists_heads", model).groupby("relation"):
        sets = rows["head"].isin(new_heads(rows)), rows["circuits sentence"] == 2
        for ratios, chosen in zip(found.values(), sets, strict=True):
            if chosen.any():
                ratios.append([_against_even(rows[chosen], part) for part in PARTS[1:]])
    return {name: [with_interval(part) for part in zip(*each, strict=True)] for name, each in found.items()}


def _against_even(heads: pd.DataFrame, *parts: str) -> float:
    """Attention that heads give some parts, against even attention; the first token, where heads rest, left out."""
    given = heads[list(parts)].sum(axis=1).mean() / (1 - heads["first"].mean())
    even = heads[[f"even {part}" for part in parts]].iloc[0].sum() / (1 - heads["even first"].iloc[0])
    return given / even


def prefers_demonstrations(model: str) -> Estimate:
    """How many times even attention new heads give a token of the demonstrations, the first token left out."""
    each = rows_of("lists_heads", model).groupby("relation")
    new = [rows[rows["head"].isin(new_heads(rows))] for _, rows in each]
    return with_interval([_against_even(rows, *SHOWN) for rows in new if len(rows)])


def vectors(model: str) -> pd.DataFrame:
    """Right answers without demonstrations at the layer chosen on other facts: relations by kind of vector."""
    rows = rows_of("lists_vectors", model)
    rows = rows[rows.chosen]
    kinds = rows.kind.str.replace(r"other heads \d", "ten other heads", regex=True)
    return rows.assign(kind=kinds).pivot_table(index="relation", columns="kind", values="value")


def ablations(model: str) -> pd.DataFrame:
    """What sets of heads cost: ``all heads, without, without others`` and ``costs more``, by relation and set."""
    return rows_of("lists_ablation", model).set_index(["relation", "set"])


def beside_paper(model: str) -> pd.DataFrame:
    """The paper's accuracies and ours for each set, in whole per cents: all heads, without the set (without others)."""

    def three(values: Sequence[float]) -> str:
        return "{:.0f} \N{RIGHTWARDS ARROW} {:.0f} ({:.0f})".format(*values)

    rows, table = ablations(model), {}
    names = rows.index.get_level_values("relation").unique()
    for name in (*(n for n in PAPER if n in names), *(n for n in names if n not in PAPER)):
        table[name] = {"paper, new": three(PAPER[name]) if name in PAPER else ""}
        for kind, own in rows.loc[name].iterrows():
            table[name][kind] = three(100 * own[["all heads", "without", "without others"]].astype(float))
    return pd.DataFrame(table).T


def mean_costs(model: str) -> dict[str, Estimate]:
    """By how much more each set costs than other heads of its layers, on the mean over relations."""
    return {name: with_interval(rows[GAP]) for name, rows in ablations(model).groupby("set", sort=False)}


def cost_gap(model: str, first: str, second: str) -> Estimate:
    """By how much more one set costs beyond others than another one does, paired by relation."""
    costs = ablations(model)[GAP]
    return with_interval((costs.xs(first, level="set") - costs.xs(second, level="set")).dropna())


def head_scores(model: str) -> pd.DataFrame:
    """Each head's induction score, and its mean effect over the relations."""
    rows = rows_of("lists_heads", model)
    table = rows.groupby("head", sort=False)[["induction", "effect"]].mean().reset_index()
    return table.assign(model=model)


def listed(model: str) -> pd.DataFrame:
    """Right answers and answers of the right type after five demonstrations, by relation, with ``listed``."""
    rows = rows_of("lists_answers", model)
    rows = rows[rows.relation != NOVEL].set_index(["relation", "kind"])
    table = rows[["value", "typed"]].xs("5", level="kind")
    table["sentence"] = rows.value.xs("sentence", level="kind")
    return table.assign(listed=~table.index.isin((*UNLISTED, "occupation_gender")))
