"""Linear probes: can something be read off a state at all, on subjects that the probe never saw, and beside chance?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor

from helpers.atlas.questions import states
from helpers.models.run import stop_names
from helpers.prompts.relations import relation
from helpers.studies.hallucination.questions import ask_facts

FOLDS = 5
SHRINKAGE = 0.1


def linear_probe() -> LinearDiscriminantAnalysis:
    """Linear discriminant analysis with a shrunk covariance: closed form, so the same on every run."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)


def probe_answers(
    states: Float[Tensor, "stop question d_model"], answers: Sequence[str], subjects: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """How well a linear probe reads the answer off each stop, for subjects outside of its training folds.

    Args:
        states: of `states`.
        subjects: whom each question is about; a subject is never in two folds.
        seed: of the control.

    Returns:
        Columns ``stop, question, right, control``: whether the probe reads the right answer, and whether a probe
        trained on exchanged labels (each subject gets another's answer, the same in all its questions) reads its own.

    Raises:
        ValueError: if there are fewer subjects than folds.
    """
    names = np.asarray(subjects)
    if len(set(names)) < FOLDS:
        raise ValueError(f"{len(set(names))} subjects can't be cut into {FOLDS} folds; ask about more")
    labels, rng = np.asarray(answers), np.random.default_rng(seed)
    unique, first = np.unique(names, return_index=True)
    exchanged = dict(zip(unique, rng.permutation(labels[first]), strict=True))
    targets = {"right": labels, "control": np.array([exchanged[name] for name in names])}
    tables = []
    for stop, x in enumerate(states.numpy()):
        read = {
            name: cross_val_predict(linear_probe(), x, y, groups=names, cv=GroupKFold(FOLDS)) == y
            for name, y in targets.items()
        }
        tables.append(pd.DataFrame({"stop": stop, "question": range(len(names)), **read}))
    return pd.concat(tables, ignore_index=True)


def probe_relation(
    model, name: str, place: str, *, stops: Sequence[int] = (0, 2, 12), wordings: Sequence[int] = (0, 1)
) -> pd.DataFrame:
    """`probe_answers` on the well-taught facts of a relation.

    Args:
        place: ``last`` or ``subject_last``, as in `states`.
        stops: which stops are read; 0 is behind the embedding, 2n+1 behind attention n, 2n+2 behind MLP n.

    Returns:
        Columns ``behind`` (name of the stop), ``question, right, control``, and ``said``: whether the model itself
        answers rightly.
    """
    asked = ask_facts(model, [f for f in relation(name).facts if f.well_taught], wordings)
    table = probe_answers(states(model, asked, place)[list(stops)], asked.answer.tolist(), asked.subject.tolist())
    names = stop_names(model.cfg.n_layers)
    return table.assign(
        behind=[names[stops[stop]] for stop in table.pop("stop")], said=asked.right.to_numpy()[table.question]
    )
