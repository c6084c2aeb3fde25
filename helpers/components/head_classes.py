"""Names for attention heads, by rules that are written down: mover, relation, mixture; induction and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from helpers.checks import Model, checked
from helpers.components.heads import measure_heads
from helpers.components.skill_heads import measure_indirect, measure_repeats, name_attribution, name_positions
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.skills import indirect_object_pairs

KNOWLEDGE = ("mover", "relation", "mixture")
SKILLS = (
    "previous token",
    "duplicate token",
    "induction",
    "S-inhibition",
    "name mover",
    "negative name mover",
    "backup name mover",
)


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
    frame["names_answer"] = _counts(lead, model_lead, t.writes_times)
    frame["names_type"] = _counts(frame.from_relation_type, frame.model_type, t.writes_times)
    frame["has_effect"] = _counts(frame.effect_from_subject, frame.model_diff, t.effect_times)
    mover = frame.reads_subject & (frame.names_answer | frame.has_effect)
    relation = frame.reads_relation & frame.names_type
    fits = {"mover": mover & ~relation, "relation": relation & ~mover, "mixture": mover & relation}
    frame["class"] = _first(pd.DataFrame(fits))
    shares = {"mover": (lead / model_lead).where(frame.names_answer, 0)}
    shares["effect"] = (frame.effect_from_subject / frame.model_diff).where(frame.has_effect, 0)
    shares["relation"] = (frame.from_relation_type / frame.model_type).where(frame.names_type, 0)
    by_subject = pd.DataFrame({k: shares[k] for k in ("mover", "effect")}).max(axis=1).where(mover, 0)
    frame["strength"] = by_subject.combine(shares["relation"].where(relation, 0), max)
    return frame


@checked
def classify_skill_heads(
    model: Model, thresholds: Thresholds = Thresholds(), *, pairs: PromptPairs | None = None, **options
) -> pd.DataFrame:
    """All measurements of `measure_repeats` and `measure_indirect`, each head's ``class``, and ``fits``: all that fit.

    ``class`` is the first that fits, in this order (attention beyond uniform: see `Thresholds`):

    - ``"previous token"``: attends to the token before.
    - ``"duplicate token"``: attends to the earlier occurrence of its token, in random tokens.
    - ``"induction"``: attends to the token after that earlier occurrence (arXiv 2209.11895).
    - ``"S-inhibition"``: attends from the end to the second subject mention, and helps through later queries.
    - ``"name mover"``: attends from the end to the indirect object, more than to the subject, and writes it.
    - ``"negative name mover"``: attends the same way, and writes against it.
    - ``"backup name mover"``: doesn't write the indirect object, but writes so much more of it when all name movers
      are cut (mean ablation); ``writes_io_cut`` is what it then writes, in the unit of ``writes_io``.
    - ``"none"``: none of these.

    The last five are those of arXiv 2211.00593.

    Args:
        pairs: indirect-object pairs; by default as many are drawn as there are random prompts.
        options: of `measure_repeats`.

    Raises:
        ValueError: as `measure_repeats` and `measure_indirect` do.
    """
    count, seed = options.get("count", 16), options.get("seed", 0)
    found, _ = name_positions(pairs or indirect_object_pairs(model, count, seed), model.tokenizer)
    frame = measure_repeats(model, **options).merge(measure_indirect(model, found), on=["head", "layer"])
    fits = skill_rules(frame, thresholds)
    movers = frame["head"][fits["name mover"]].tolist()
    frame["writes_io_cut"] = name_attribution(model, found, movers).flatten().tolist()
    rise = frame.writes_io_cut - frame.writes_io
    before, risen = (_counts(value, frame.model_diff, thresholds.writes_times) for value in (frame.writes_io, rise))
    fits["backup name mover"] = ~before & risen & bool(movers)
    frame["class"] = _first(fits)
    frame["fits"] = [", ".join(name for name in SKILLS if row[name]) for _, row in fits.iterrows()]
    return frame


def skill_rules(frame: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Which of the classes that need no second run each head fits: a boolean column for each of `SKILLS` but one."""
    t = thresholds
    prefers_io = frame.to_io >= t.name_times * frame[["to_s1", "to_s2"]].max(axis=1)
    to_io = prefers_io & (_beyond(frame.to_io, frame.uniform_io) >= t.name_pattern)
    to_s2 = _beyond(frame.to_s2, frame.uniform_io) >= t.name_pattern
    fits = {
        "previous token": _beyond(frame.previous, frame.uniform_previous) >= t.pattern,
        "duplicate token": _beyond(frame.duplicate, frame.uniform) >= t.pattern,
        "induction": _beyond(frame.induction, frame.uniform) >= t.pattern,
        "S-inhibition": to_s2 & _counts(frame.effect_via_queries, frame.model_diff, t.effect_times),
        "name mover": to_io & _counts(frame.writes_io, frame.model_diff, t.writes_times),
        "negative name mover": to_io & _counts(-frame.writes_io, frame.model_diff, t.writes_times),
    }
    return pd.DataFrame(fits)


def _counts(value: pd.Series, whole: pd.Series, times: float) -> pd.Series:
    """Whether a head has ``times`` an equal share of what the whole model has."""
    return (whole > 0) & (value >= times * whole / len(whole))


def _beyond(attention: pd.Series, uniform: pd.Series) -> pd.Series:
    """Attention on a scale where 0 is uniform attention and 1 all of it."""
    return (attention - uniform) / (1 - uniform)


def _first(fits: pd.DataFrame) -> list[str]:
    yes = fits.to_numpy(bool)
    return np.where(yes.any(1), fits.columns.to_numpy()[yes.argmax(1)], "none").tolist()


Names = Sequence[str] | np.ndarray | pd.Series  # the name of each head, in the order of the heads


def kappa(first: Names, second: Names) -> float:
    """Cohen's kappa of two namings: 1 if all heads have the same name in both, 0 as chance with these counts.

    Raises:
        ValueError: if both don't name the same number of heads.
    """
    _same_length(first, second)
    if len({*first, *second}) == 1:
        return 1.0  # one name for everything, twice: scikit-learn has 0 / 0 there
    return float(cohen_kappa_score(list(first), list(second)))


def jaccard(first: Names, second: Names, name: str) -> float:
    """The heads that both namings call ``name``, over those that either does; 1 if neither does for any.

    Raises:
        ValueError: if both don't name the same number of heads.
    """
    _same_length(first, second)
    one, other = (np.array(part) == name for part in (first, second))
    either = (one | other).sum()
    return float((one & other).sum() / either) if either else 1.0


def agreement(first: Names, second: Names) -> dict[str, float]:
    """Kappa over all classes, and the Jaccard index of movers and of relation heads."""
    return {
        "kappa": kappa(first, second),
        "movers": jaccard(first, second, "mover"),
        "relation heads": jaccard(first, second, "relation"),
    }


def shuffled(names: Names, layers: Sequence[int] | None = None, seed: int = 0) -> list[str]:
    """The same names, dealt out anew: over all heads, or within each layer (given a layer for each head).

    Within layers is the harder chance: it keeps how many heads of each class a layer has.
    """
    rng, names = np.random.default_rng(seed), np.array(names)
    groups = np.zeros(len(names), int) if layers is None else np.asarray(layers)
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        names[places] = names[rng.permutation(places)]
    return names.tolist()


def mean_agreement(pairs: Sequence[tuple[Names, Names]]) -> pd.Series:
    """`agreement`, averaged over several pairs of namings."""
    return pd.DataFrame([agreement(*pair) for pair in pairs]).mean()


def _same_length(first: Names, second: Names) -> None:
    if len(first) != len(second):
        raise ValueError(f"the namings must be of the same heads; one has {len(first)}, the other {len(second)}")


LETTERS = {"mover": "m", "relation": "r", "mixture": "x", "none": "-"}
