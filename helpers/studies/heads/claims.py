"""What the chapter's verdicts are made of: shares of relations, and falls in knock-outs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from helpers.prompts.relations import ALL_KINDS, relations
from helpers.statistics import Estimate, with_interval
from helpers.studies.heads.head_tables import read_heads
from helpers.studies.heads.knockouts import share_named
from helpers.studies.heads.routes import CLASSES
from helpers.studies.tables import read_table


def share(model: str, test: Callable[[pd.DataFrame], bool], times: float = 1.0) -> Estimate:
    """The share of a model's relations that pass a test, the mean over the lengths of names in each.

    Args:
        times: as in `helpers.studies.heads.routes.thresholds`.
    """
    passed = pd.Series({question: float(test(frame)) for question, frame in read_heads(model, times).items()})
    return with_interval(passed.groupby(level=0).mean())


def has(kind: str) -> Callable[[pd.DataFrame], bool]:
    """A test: some head has this class."""
    return lambda frame: bool((frame["class"] == kind).any())


def strongest_writes(frame: pd.DataFrame) -> bool:
    """A test: the mover with the largest effect is an attribute mover."""
    own = frame[frame["class"].isin(CLASSES[:2])]
    return len(own) > 0 and own.loc[own.effect_share.idxmax(), "class"] == CLASSES[0]


def by_layer(table: pd.DataFrame, kind: str, tokens: int) -> list[Estimate]:
    """By layer: the summed effects of a class's heads on subjects of so many tokens, the mean over relations."""
    own = table[table.tokens == tokens]
    effects = own.effect_share.where(own["class"] == kind, 0)
    each = effects.groupby([own.relation, own.layer]).sum().unstack()
    return [with_interval(each[layer]) for layer in each]


def early(table: pd.DataFrame, kind: str, tokens: int, layers: int) -> float:
    """The share of these effects in the first so many layers."""
    line = [float(value) for value in by_layer(table, kind, tokens)]
    return sum(line[:layers]) / sum(line)


def knockouts() -> pd.DataFrame:
    """The table ``head_knockouts``, and of the tokens that rise the shares that answer this relation, and none.

    Columns ``of the type`` and ``no answer``.
    """
    table = read_table("head_knockouts")
    answers = {name: {f" {answer}" for answer in asked.answers} for name, asked in relations(*ALL_KINDS).items()}
    any_answer, words = set().union(*answers.values()), [row.split("|") for row in table.risen]
    own = [share_named(w, answers[name]) for w, name in zip(words, table.relation, strict=True)]
    none = [1 - share_named(w, any_answer) for w in words]
    return table.assign(**{"of the type": own, "no answer": none})


def falls(table: pd.DataFrame, model: str, kind: str, column: str) -> Estimate:
    """A column of `knockouts`: the mean over a model's relations, with its interval (first over lengths of names)."""
    own = table[(table.model == model) & (table["class"] == kind)]
    return with_interval(own.groupby("relation")[column].mean())
