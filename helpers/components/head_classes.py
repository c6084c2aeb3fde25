"""Names for attention heads, by rules that are written down: mover, relation, mixture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.checks import Model, checked
from helpers.components.heads import measure_heads
from helpers.prompts.pairs import PromptPairs

KNOWLEDGE = ("mover", "relation", "mixture")
LETTERS = {"mover": "m", "relation": "r", "mixture": "x", "none": "-"}


@dataclass(frozen=True)
class Thresholds:
    """From which value on a head counts; every one is relative to chance or to the model itself.

    Args:
        subject_times: attention to the subject, in multiples of what uniform attention would give it.
        relation_times: the same for the other words. They are most of a prompt, so no multiple much above 1 is
            possible for them, and none for a head that also attends to the subject.
        writes_times: a head's direct logit attribution, in multiples of an equal share: the whole model's own value
            over the number of heads. (The equal share is generous: MLPs write most of a logit.)
        effect_times: the fall of the logit difference under a cut, in multiples of the whole logit difference over
            the number of heads.
        pattern: for skills, attention beyond uniform: 0 is uniform attention, 1 attention to nothing else.
        name_pattern: the same for attention to a name, which heads share out among several.
        name_times: attention to the indirect object, in multiples of that to either mention of the subject.

    Raises:
        ValueError: for a threshold that isn't positive: then a head that does nothing would count.
    """

    subject_times: float = 1.5
    relation_times: float = 1.0
    writes_times: float = 0.5
    effect_times: float = 1.0
    pattern: float = 0.4
    name_pattern: float = 0.2
    name_times: float = 1.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, (int, float)) and 0 < value < float("inf")):
                raise ValueError(f"{name} must be positive, not {value!r}: a head that does nothing would count")


@checked
def classify_heads(model: Model, pairs: PromptPairs, thresholds: Thresholds = Thresholds()) -> pd.DataFrame:
    """All measurements of `measure_heads`, and what `name_heads` makes of them: a ``class`` for each head.

    Args:
        pairs: of one relation, with known subjects; their answers are the type.

    Raises:
        ValueError: as `measure_heads` does.
    """
    return name_heads(measure_heads(model, pairs), thresholds)


def name_heads(measured: pd.DataFrame, thresholds: Thresholds = Thresholds()) -> pd.DataFrame:
    """The table with a ``class`` for each head added, and why (claim of arXiv 2405.17969, section 4).

    - ``"mover"``: attends to the subject, and what it brings from there names the answer or has an effect.
    - ``"relation"``: attends to the other words, and what it brings from there names the type.
    - ``"mixture"``: both.
    - ``"none"``: neither.

    "Names the answer": ``from_subject_answer - from_subject_type`` against the model's own lead of the answer over
    its type; "names the type": ``from_relation_type`` against the model's ``model_type``; "has an effect":
    ``effect_from_subject`` against ``model_diff``. Where the model itself shows nothing (its own value isn't
    positive), no head does. A head that reads the attribute at a later word, because another head brought it there,
    is no mover: it looks at the wrong place for the name. The columns ``reads_subject, reads_relation, names_answer,
    names_type, has_effect`` say which conditions a head meets: a mover that only has an effect brings something that
    later MLPs turn into the answer (the subject's name, say), not the answer itself. ``strength`` is the largest of
    the shares of the whole model's own value that earned the class, and 0 without one.

    Args:
        measured: a row for each head of one model and one relation, as from `measure_heads`.
    """
    frame, t = measured.copy(), thresholds
    lead, model_lead = frame.from_subject_answer - frame.from_subject_type, frame.model_answer - frame.model_type
    frame["reads_subject"] = frame.to_subject >= t.subject_times * frame.uniform_subject
    enough = frame.to_relation >= t.relation_times * frame.uniform_relation
    frame["reads_relation"] = enough & (frame.uniform_relation > 0)  # a prompt may have no other words
    frame["names_answer"] = counts(lead, model_lead, t.writes_times)
    frame["names_type"] = counts(frame.from_relation_type, frame.model_type, t.writes_times)
    frame["has_effect"] = counts(frame.effect_from_subject, frame.model_diff, t.effect_times)
    mover = frame.reads_subject & (frame.names_answer | frame.has_effect)
    relation = frame.reads_relation & frame.names_type
    fits = {"mover": mover & ~relation, "relation": relation & ~mover, "mixture": mover & relation}
    frame["class"] = first_fitting(pd.DataFrame(fits))
    shares = {"mover": (lead / model_lead).where(frame.names_answer, 0)}
    shares["effect"] = (frame.effect_from_subject / frame.model_diff).where(frame.has_effect, 0)
    shares["relation"] = (frame.from_relation_type / frame.model_type).where(frame.names_type, 0)
    by_subject = pd.DataFrame({k: shares[k] for k in ("mover", "effect")}).max(axis=1).where(mover, 0)
    frame["strength"] = by_subject.combine(shares["relation"].where(relation, 0), max)
    return frame


def counts(value: pd.Series, whole: pd.Series, times: float) -> pd.Series:
    """Whether a head has ``times`` an equal share of what the whole model has."""
    return (whole > 0) & (value >= times * whole / len(whole))


def first_fitting(fits: pd.DataFrame) -> list[str]:
    """For each row the first column that is true, or ``"none"``."""
    yes = fits.to_numpy(bool)
    return np.where(yes.any(1), fits.columns.to_numpy()[yes.argmax(1)], "none").tolist()
