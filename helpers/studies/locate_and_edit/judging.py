"""An edit judged question by question: which answers win, and how much of the new value each question gets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from helpers.editing.edit import Edit, cut_run
from helpers.editing.requests import EditRequest, Question, parting
from helpers.editing.scores import likelier
from helpers.models.network import Network, read_network
from helpers.models.predict import logits_after, padded, prompt_ids


def questions_of(request: EditRequest) -> list[Question]:
    """All questions of a request."""
    return [request.question, *request.paraphrases, *request.neighbours, *request.portability]


@torch.no_grad()
def answered(net: Network, tokenizer, questions: Sequence[Question]) -> list[tuple[bool, bool]]:
    """For each question, whether its answer beats the rival, and whether it is the likeliest of all."""
    ids, right, rival = zip(*(parting(tokenizer, q) for q in questions), strict=True)
    logits = logits_after(net, ids)[:, 0].cpu()
    return [likelier(*row) for row in zip(logits, right, rival, strict=True)]


@torch.no_grad()
def shares(net: Network, tokenizer, layer: int, texts: Sequence[str], direction: Tensor) -> list[float]:
    """How much of a rank-one edit's value each text gets, at the position that gets most of it.

    Args:
        direction: ``C^-1 k* / (k*^T C^-1 k*)``, which the edited key answers with 1.
    """
    rows = [prompt_ids(tokenizer, text) for text in texts]
    found = cut_run(net, padded(rows, direction.device), layer).neurons @ direction
    return [float(row[1 : len(ids)].max()) for row, ids in zip(found, rows, strict=True)]


def judged(model, request: EditRequest, edit: Edit | None, layer: int = 0, direction: Tensor | None = None):
    """One edit (or none) judged: a row for each kind of question, with the number of its questions."""
    questions = questions_of(request)
    if edit is None:
        found = answered(read_network(model), model.tokenizer, questions)
    else:
        with edit:
            found = answered(read_network(model), model.tokenizer, questions)
    table = pd.DataFrame(found, columns=["beats", "top1"]).astype(float)
    table["kind"] = [q.kind for q in questions]
    if direction is not None:
        texts = [q.prompt for q in questions]
        table["share"] = shares(read_network(model), model.tokenizer, layer, texts, direction)
    means = table.groupby("kind", sort=False).mean()
    means["questions"] = table.kind.value_counts()
    about = dict(relation=request.relation, subject=request.subject, old=request.old, new=request.new)
    return means.reset_index().assign(**about)
