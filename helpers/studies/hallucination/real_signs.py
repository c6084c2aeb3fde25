"""Can SmolLM2's errors be seen before anybody checks them? Signs of the literature, judged within single relations.

- The model's own confidence: the probability of what it says.
- Attention to the subject (Yuksekgonul and others 2024, arXiv 2309.15098): each head's from the last position, the mean
  over all heads, or weighted by a linear probe.
- The state at the subject's last token (Ferrando and others 2025, arXiv 2411.14257), read by a linear probe. They read
  it with sparse autoencoders, which nobody has trained for this model.

A probe is trained on *other subjects of the relation* or on *other relations*. The area under the ROC curve is taken
within one relation and template, so that no sign gets anything for telling easy relations from hard ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from torch import Tensor

LEAST = 8  # right and wrong answers of a template, each, or it isn't judged
FOLDS, SHRINKAGE = 5, 0.3
CONFIDENCE, LOOKS = "probability", "attention to the subject"
PROBES = ("attention, probe", "state at the subject, probe")
OWN, OTHERS = "other subjects", "other relations"


def probe_scores(x: np.ndarray, right: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """How right a linear probe (a discriminant with shrunk covariance) takes the test rows to be."""
    mean, spread = x[train].mean(0), x[train].std(0) + 1e-6
    probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
    probe.fit((x[train] - mean) / spread, right[train])
    return probe.decision_function((x[test] - mean) / spread)


def judged_templates(asked: pd.DataFrame) -> pd.DataFrame:
    """The questions in relations and templates that have enough right and wrong answers."""
    by = asked.groupby(["relation", "template"]).right
    enough = (by.transform("sum") >= LEAST) & ((by.transform("size") - by.transform("sum")) >= LEAST)
    return asked[enough]


def scores_of(
    asked: pd.DataFrame, x: Float[np.ndarray, "question feature"], relation: str
) -> Iterator[tuple[str, pd.Series]]:
    """A probe's scores for one relation's questions, trained on its other subjects and on other relations."""
    right, inside = asked.right.to_numpy(), (asked.relation == relation).to_numpy()
    own = np.flatnonzero(inside)
    folds = GroupKFold(FOLDS).split(own, groups=asked.subject.to_numpy()[own])
    scores = np.empty(len(own))
    for train, test in folds:
        scores[test] = probe_scores(x, right, own[train], own[test])
    yield OWN, pd.Series(scores, index=asked.index[own])
    other = probe_scores(x, right, np.flatnonzero(~inside), own)
    yield OTHERS, pd.Series(other, index=asked.index[own])


def area(asked: pd.DataFrame, score: pd.Series) -> float:
    """The area under the ROC curve within each template, on the mean."""
    return float(np.mean([roc_auc_score(own.right, score[own.index]) for _, own in asked.groupby("template")]))


def sign_rows(
    asked: pd.DataFrame, attention: Float[Tensor, "question head"], subject: Float[Tensor, "question d_model"]
) -> pd.DataFrame:
    """How well each sign tells right answers from wrong ones, relation by relation.

    Returns:
        ``relation, sign, trained`` (on what; empty for signs without a probe), ``area``, and ``right, wrong``: how
        many answers are.
    """
    kept = judged_templates(asked)
    places, rows = kept.index.to_numpy(), []
    kept = kept.reset_index(drop=True)
    features = dict(zip(PROBES, (t.numpy()[places].astype(float) for t in (attention, subject)), strict=True))
    for relation, own in kept.groupby("relation"):
        about = dict(relation=relation, right=int(own.right.sum()), wrong=int((~own.right).sum()))
        for sign, column in ((CONFIDENCE, "probability"), (LOOKS, "to_subject")):
            rows.append(about | dict(sign=sign, trained="", area=area(own, own[column])))
        for sign, x in features.items():
            for trained, score in scores_of(kept, x, relation):
                rows.append(about | dict(sign=sign, trained=trained, area=area(own, score)))
    return pd.DataFrame(rows)
