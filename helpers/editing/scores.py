"""How good an edit is: does it hold, in other words too, does everything else stay, and does what depends on it follow.

Each question has the answer that is right after the edit and a rival. They are compared where they part (`parting`):
what both begin with is put into the prompt, and the next tokens are compared. The right answer counts as *beating* if
its token is likelier than the rival's, and as *top-1* if it is the likeliest of all. An answer that is the beginning
of the other one ends there: its token is any but the one by which the longer one goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import pandas as pd
import torch
from jaxtyping import Float
from pandas.api.types import is_numeric_dtype
from pydantic import Field
from torch import Tensor

from helpers.checks import Amount, Model, checked
from helpers.editing.edit import Edit
from helpers.editing.requests import EditRequest, parting
from helpers.files import read_json
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, logits_after, padded, prompt_ids
from helpers.models.run import resume
from helpers.prompts.relations import FACTS
from helpers.statistics import with_interval

SCORES = {
    "prompt": "efficacy",
    "taught": "paraphrase",
    "held out": "paraphrase",
    "same relation": "neighbourhood",
    "same subject": "neighbourhood",
    "first hop": "portability",
    "second hop": "portability",
    "reversed": "portability",
}
CONTINUED = 12  # tokens of a continuation
LIKELY = 0.69  # nats of a search's loss below which the answer is likelier than not


def likelier(logits: Float[Tensor, " d_vocab"], right: int | None, rival: int | None) -> tuple[bool, bool]:
    """Whether the token of the right answer is likelier than the rival's, and whether it is the likeliest of all.

    ``None`` is any token but the other answer's (`parting`).
    """
    top = int(logits.argmax())
    if right is None or rival is None:
        longer = float(logits.softmax(-1)[rival if right is None else right])
        return (longer < 0.5, top != rival) if right is None else (longer > 0.5, top == right)
    return bool(logits[right] > logits[rival]), top == right


@torch.no_grad()
def measured(edit: Edit, request: EditRequest) -> Edit:
    """The edit with ``about["probability"]``: of the whole new answer after the request's own prompt, with it in.

    A search knows its loss, not what the finished edit does. A warning says so if they don't agree: the loss is that
    of an answer likelier than not, and where the answers part the old one is still the likelier.
    """
    model = edit.places.model
    ids, right, rival = parting(model.tokenizer, request.question)
    whole = [*prompt_ids(model.tokenizer, request.text), *answer_ids(model.tokenizer, request.text, f" {request.new}")]
    with edit:
        log_probs = all_log_probs(read_network(model), [whole]).cpu()
    start = len(prompt_ids(model.tokenizer, request.text))
    likely = log_probs[range(start - 1, len(whole) - 1), whole[start:]].sum().exp().item()
    if edit.losses and edit.losses[-1] < LIKELY and not likelier(log_probs[len(ids) - 1], right, rival)[0]:
        warnings.warn(
            f"the edit's search found {request.new!r} (loss {edit.losses[-1]:.3f} nats), but with the finished edit "
            f"{request.text!r} goes on with {request.old!r} (probability of the new answer {likely:.3f}): "
            "choose another layer or position, and judge it by evaluate_edit",
            stacklevel=3,
        )
    return replace(edit, about={**edit.about, "probability": likely})


@checked
def evaluate_edit(
    model: Model, edit: Edit, request: EditRequest, *, unrelated: Sequence[str] | None = None, fluency: bool = True
) -> pd.DataFrame:
    """One edit's scores; the model is as it was afterwards.

    Args:
        unrelated: texts on which the model should stay as it is (`unrelated_texts` by default; ``()`` for none).
        fluency: continue the edited statement, too.

    Returns:
        Columns ``score, kind, measure, value``. The scores ``efficacy, paraphrase, neighbourhood, portability`` have
        a row for each question and each of the measures ``beats`` and ``top1`` (0 or 1). ``drift`` is
        ``KL(before || after)`` in nats per token of the unrelated texts; ``fluency`` is how many nats per token more
        the unedited model is surprised by the edited model's continuation of ``<prompt> <new answer>`` than by its
        own (greedy, `CONTINUED` tokens): 0 is as fluent as before.

    Raises:
        ValueError: for an edit of another model, or a question whose two answers are the same tokens.
    """
    questions = [request.question, *request.paraphrases, *request.neighbours, *request.portability]
    ids, right, rival = zip(*(parting(model.tokenizer, q) for q in questions), strict=True)
    texts = unrelated_texts() if unrelated is None else unrelated
    rows = [prompt_ids(model.tokenizer, text) for text in texts]
    answer = answer_ids(model.tokenizer, request.text, f" {request.new}")
    start = [*prompt_ids(model.tokenizer, request.text), *answer]
    net = read_network(model)
    before = all_log_probs(net, rows) if rows else None
    own = continuation(net, start) if fluency else []
    with edit:
        net = read_network(model)
        logits = logits_after(net, ids)[:, 0].cpu()
        after = all_log_probs(net, rows) if rows else None
        said = continuation(net, start) if fluency else []
    table = [
        (SCORES.get(q.kind, q.kind), q.kind, measure, float(value))
        for q, *parted in zip(questions, logits, right, rival, strict=True)
        for measure, value in zip(("beats", "top1"), likelier(*parted), strict=True)
    ]
    if rows:
        table.append(("drift", "unrelated", "nats", (before.exp() * (before - after)).sum(-1).mean().item()))
    if fluency:
        net = read_network(model)
        table.append(("fluency", "continuation", "nats", surprise(net, start, said) - surprise(net, start, own)))
    return pd.DataFrame(table, columns=["score", "kind", "measure", "value"])


@checked
def evaluate_edits(
    model: Model,
    requests: Sequence[EditRequest],
    editor: Callable[[EditRequest], Edit],
    *,
    unrelated: Sequence[str] | None = None,
    fluency: bool = True,
) -> pd.DataFrame:
    """Every request edited by itself and judged: the rows of `evaluate_edit` with the edit's number in ``edit``.

    Raises:
        ValueError: without requests, or as `evaluate_edit`.
    """
    if not requests:
        raise ValueError("there is nothing to judge: no requests")
    unrelated = unrelated_texts() if unrelated is None else unrelated
    parts = []
    for number, request in enumerate(requests):
        part = evaluate_edit(model, editor(request), request, unrelated=unrelated, fluency=fluency)
        parts.append(part.assign(edit=number, relation=request.relation))
    return pd.concat(parts, ignore_index=True)


@checked
def edit_summary(table: pd.DataFrame, by: Sequence[str] = ("score", "measure")) -> pd.DataFrame:
    """Means over edits with their 95 % bootstrap intervals (an edit's questions are averaged first).

    Returns:
        Columns of ``by``, then ``value, low, high, edits``: the edits that have such questions.

    Raises:
        ValueError: for a table without rows or without a column, or with an entry missing.
    """
    needed = [*by, "edit", "value"]
    if missing := [name for name in needed if name not in table]:
        raise ValueError(f"the table has no column {missing[0]!r}; give one that evaluate_edits made")
    if table.empty or table[needed].isna().any(axis=None) or not is_numeric_dtype(table["value"]):
        raise ValueError(f"the table needs rows, with numbers as values and no entry missing in {', '.join(needed)}")
    each = table.groupby([*by, "edit"], sort=False).value.mean()
    rows = []
    for key, values in each.groupby(list(by), sort=False):
        found = with_interval(values.tolist())
        rows.append((*key, *found.row(), len(values)))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "edits"])


@checked
def unrelated_texts(n: Annotated[Amount, Field(le=60)] = 60) -> list[str]:
    """At most 60 sentences of Atlas's corpus: half of them statements of facts of all relations, half skills."""
    _, texts = read_json(FACTS / "unrelated.json", "the unrelated texts")
    return texts["facts"][: n - n // 2] + texts["skills"][: n // 2]


@torch.no_grad()
def all_log_probs(net: Network, rows: Sequence[Sequence[int]]) -> Float[Tensor, "token d_vocab"]:
    """The log-probabilities behind every token of every row, one below the other."""
    tokens = padded(rows, net.W_E.device)
    keep = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
    real = keep < torch.tensor([len(row) for row in rows], device=tokens.device)[:, None]
    return resume(net, net.embed(tokens), keep=keep)[real].log_softmax(-1)


def continuation(net: Network, ids: Sequence[int], count: int = CONTINUED) -> list[int]:
    """The tokens that greedy decoding adds."""
    ids = list(ids)
    for _ in range(count):
        ids.append(int(logits_after(net, [ids])[:, 0][0].argmax()))
    return ids[-count:]


def surprise(net: Network, ids: Sequence[int], then: Sequence[int]) -> float:
    """Nats per token of what follows some tokens."""
    log_probs = all_log_probs(net, [[*ids, *then]])
    return -log_probs[len(ids) - 1 : -1].gather(1, torch.tensor([then], device=log_probs.device).T).mean().item()
