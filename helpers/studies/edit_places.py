"""One edit by ROME at a layer and a place of the prompt, judged: what several studies sweep over."""

from __future__ import annotations

import pandas as pd
from torch import Tensor

from helpers.editing.edit import At
from helpers.editing.requests import EditRequest
from helpers.editing.rome import rome
from helpers.editing.scores import evaluate_edit


def judged_at(model, request: EditRequest, layer: int, place: At, covariance: Tensor) -> pd.DataFrame:
    """One edit by ROME (prompt alone, no prefixes) at a layer and a place, judged.

    Returns:
        Columns ``relation, subject, new, layer, place, score, value``; a value is the share of the score's questions
        in which the right answer beats its rival.
    """
    edit = rome(model, request, layer, at=place, prefixes=(), covariance=covariance)
    found = evaluate_edit(model, edit, request, unrelated=(), fluency=False)
    means = found[found.measure == "beats"].groupby("score", sort=False).value.mean().reset_index()
    about = dict(relation=request.relation, subject=request.subject, new=request.new, layer=layer, place=place)
    return means.assign(**about)[[*about, "score", "value"]]
