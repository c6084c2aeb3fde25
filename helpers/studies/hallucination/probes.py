"""Linear probes: can an answer be read off a state, for subjects that no probe saw, and more often than by chance?

A probe that fails shows little, as long as it isn't known that a linear reading exists. Where the model itself says the
answer one does: the unembedding is linear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor

from helpers.components.lens import lens_logits
from helpers.models.network import Network

FOLDS = 5
SHRINKAGE = 0.1


def probe_answers(
    states: Float[Tensor, "stop question d_model"], answers: Sequence[str], subjects: Sequence[str]
) -> pd.DataFrame:
    """How well a linear probe reads the answer off each stop, for subjects outside of its training folds.

    The probe is a linear discriminant analysis with a shrunk covariance: closed form, so the same on every run.

    Args:
        states: of `helpers.atlas.questions.states`, all or some stops.
        subjects: whom each question is about; a subject is never in two folds.

    Returns:
        Columns ``stop, question, right, control``: whether the probe reads the right answer, and whether a probe
        trained on exchanged labels (each subject gets another's answer, the same in all its questions) reads its own.

    Raises:
        ValueError: if there are fewer subjects than folds.
    """
    names = np.asarray(subjects)
    if len(set(names)) < FOLDS:
        raise ValueError(f"{len(set(names))} subjects can't be cut into {FOLDS} folds; ask about more")
    labels, rng = np.asarray(answers), np.random.default_rng(0)
    unique, first = np.unique(names, return_index=True)
    exchanged = dict(zip(unique, rng.permutation(labels[first]), strict=True))
    targets = {"right": labels, "control": np.array([exchanged[name] for name in names])}
    probe, tables = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE), []
    for stop, x in enumerate(states.numpy()):
        read = {
            name: cross_val_predict(probe, x, y, groups=names, cv=GroupKFold(FOLDS)) == y for name, y in targets.items()
        }
        tables.append(pd.DataFrame({"stop": stop, "question": range(len(names)), **read}))
    return pd.concat(tables, ignore_index=True)


def unembedded(
    net: Network,
    states: Float[Tensor, "stop question d_model"],
    answers: Int[Tensor, " question"],
    members: Int[Tensor, " member"],
) -> Float[np.ndarray, "stop question"]:
    """Whether the model's own unembedding reads the right answer off each stop, of all answers of the type."""
    logits = lens_logits(net, states.to(net.W_U.device))[..., members].cpu()
    return (members[logits.argmax(-1)] == answers).numpy().astype(float)
