"""Questions to which the names of heads should vanish: the wrong words as the subject, the wrong type of answers."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
from jaxtyping import Int
from torch import Tensor

from helpers.components.head_classes import name_heads
from helpers.components.heads import measure_heads
from helpers.prompts.pairs import PromptPairs


def wrong_subjects(pairs: PromptPairs, seed: int = 0) -> PromptPairs:
    """The same prompts with other words marked as the subject: as many in a row, at a random place beside the subject.

    Where no gap is wide enough, the mark is as long as the widest one.

    Raises:
        ValueError: if a subject isn't known, or is the whole prompt.
    """
    rng, spans = random.Random(seed), []
    for text, ids, span in zip(pairs.clean, pairs.clean_ids, pairs.subjects, strict=True):
        if span is None:
            raise ValueError(f"the subject of {text!r} isn't known; give from_prompts its subjects")
        gaps = [(1, span.start), (span.stop, len(ids))]
        length = min(span.stop - span.start, max(stop - start for start, stop in gaps))
        starts = [i for start, stop in gaps for i in range(start, stop - length + 1)]
        if length < 1:
            raise ValueError(f"{text!r} has no words beside its subject")
        start = rng.choice(starts)
        spans.append(slice(start, start + length))
    return replace(pairs, subjects=tuple(spans))


def with_wrong_type(model, pairs: PromptPairs, types: Int[Tensor, " token"], right: pd.DataFrame) -> pd.DataFrame:
    """The heads' classes when other tokens count as the answers' type, such as the answers of another relation.

    What the whole model says of the right type stays the measure, so a head has to name the wrong type as strongly.

    Args:
        types: ids of the tokens.
        right: the heads measured with the right type.

    Raises:
        ValueError: as `measure_heads` does.
    """
    wrong = measure_heads(model, pairs, types=types.tolist())
    return name_heads(wrong.assign(model_type=right.model_type))
