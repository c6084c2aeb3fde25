"""Fifty edits of SmolLM2: ROME in two layers at two places, with one template or three, and other editors.

``make tables NAME=real_edits`` writes ``real_edits`` (a row for each edit and kind of question), ``said_edits`` (what
the edited model says freely) and ``mass_edits`` (many facts in one change). The layers were chosen on other facts: the
best one of ``own_edits`` at the subject's last token, and the best one at the prompt's. Each is tried at both places,
so that layer and place can be told apart, and each place in its best layer with the same templates more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from helpers.editing.edit import At, Edit
from helpers.editing.fine_tuning import ft_l, ft_m
from helpers.editing.requests import EditRequest, Question
from helpers.editing.rome import key_covariance, rome, statements
from helpers.editing.value_search import ValueSearch, least_change
from helpers.models.network import read_network
from helpers.studies.locate_and_edit.generated import said_rows
from helpers.studies.locate_and_edit.judging import answered, judged
from helpers.studies.locate_and_edit.real_requests import RELATIONS, real_requests
from helpers.studies.locate_and_edit.updates import change_edit, changes_at_once, null_space, projected_change
from helpers.studies.tables import Load, Write

MODEL = "smollm2"
SUBJECT: tuple[int, At] = (6, "subject_last")
END: tuple[int, At] = (24, "last")  # each place with its best layer
LAYERS: tuple[int, ...] = (6, 24)
ATS: tuple[At, ...] = ("subject_last", "last")
MORE = 3  # templates, where an editor sees more than one; the others judge
TUNED = {"FT-L": ft_l, "FT-M": ft_m}  # in the same layers, with one template
SIZES = (1, 4, 16, 52)  # facts that are changed at once
TEXTS = 300  # statements, for the key covariance: as in ``own_edits``
SEARCH = ValueSearch(steps=15)  # the answer is likelier than not by then
Kept = dict[tuple[int, str, str], tuple[Tensor, Tensor]]


def all_requests(model) -> list[EditRequest]:
    """The requests of all relations, in turn."""
    each = [real_requests(model, name) for name in tqdm(RELATIONS, desc="requests")]
    return [request for turn in zip(*each, strict=True) for request in turn]


def in_context(request: EditRequest) -> EditRequest:
    """The request with its new fact stated before every question: an edit without any change of weights."""
    told = f"{request.text} {request.new}."

    def after(questions: Sequence[Question]) -> tuple[Question, ...]:
        return tuple(replace(q, prompt=f"{told} {q.prompt}") for q in questions)

    return replace(
        request,
        prompt=f"{told} {request.prompt}",
        **{name: after(getattr(request, name)) for name in ("paraphrases", "neighbours", "portability")},
    )


def covariance(model, layer: int) -> Tensor:
    """The key covariance of a layer of SmolLM2."""
    return key_covariance(model, layer, statements(model, most=TEXTS))


def rome_rows(
    model, requests: Sequence[EditRequest], layer: int, at: At, templates: int, kept: Kept
) -> Iterator[pd.DataFrame]:
    """ROME in a layer, at a place; keys and values of edits with one template are put into ``kept``."""
    C, about = covariance(model, layer), dict(method="ROME", layer=layer, place=at, templates=templates)
    for request in tqdm(requests, desc=f"ROME, layer {layer}, {at}, {templates}"):
        own = dict(wordings=templates - 1, prefixes=(), covariance=C, search=SEARCH)
        edit = rome(model, request, layer, at=at, **own)
        (name,) = edit.places
        delta = edit.about["delta"]
        if templates == 1:
            kept[layer, at, request.text] = edit.about["keys"], delta
        direction = (edit.after[name] - edit.before[name]) @ delta / delta.square().sum()
        yield judged(model, request, edit, layer, direction).assign(**about)


def free_rows(model, requests: Sequence[EditRequest], layer: int, at: At, kept: Kept) -> Iterator[pd.DataFrame]:
    """What the model says freely after ROME's edits, which are made anew of their keys and values."""
    C, about = covariance(model, layer), dict(method="ROME", layer=layer, place=at, templates=1)
    for request in tqdm(requests, desc=f"text, layer {layer}, {at}"):
        with change_edit(model, layer, least_change(C, *_written(kept, [request], layer, at))):
            rows = said_rows(read_network(model), model.tokenizer, request)
        yield pd.DataFrame(rows).assign(**about, relation=request.relation, subject=request.subject)


def _written(kept: Kept, requests: Sequence[EditRequest], layer: int, at: At) -> tuple[Tensor, Tensor]:
    """The keys and the values of some edits, a row for each."""
    return tuple(torch.cat([kept[layer, at, r.text][n].view(1, -1) for r in requests]) for n in range(2))


def plain_rows(model, requests, make: Callable[[EditRequest], Edit | None], **about) -> Iterator[pd.DataFrame]:
    """Another editor."""
    for request in tqdm(requests, desc=about["method"]):
        yield judged(model, request, make(request)).assign(**about)


def mass_rows(model, requests: Sequence[EditRequest], kept: Kept) -> Iterator[pd.DataFrame]:
    """Many facts in one change of one layer: shares of right first words, of edited facts and of others."""
    layer, _ = SUBJECT
    C = covariance(model, layer)
    P = null_space(C)
    K, V = _written(kept, requests, *SUBJECT)
    unedited = {q.prompt: q for r in requests for q in r.neighbours}
    for size in SIZES:
        part = requests[:size]
        asked = [r.question for r in part] + [r.paraphrases[0] for r in part] + list(unedited.values())
        kinds = ["edited"] * size + ["paraphrase"] * size + ["unedited"] * len(unedited)
        for method, change in changes_at_once(C, P, K[:size], V[:size]).items():
            disturbed = float((change.double().T @ C.double() @ change.double()).trace())
            with change_edit(model, layer, change):
                found = answered(read_network(model), model.tokenizer, asked)
            table = pd.DataFrame({"kind": kinds, "right": [float(top) for _, top in found]})
            means = table.groupby("kind").right.agg(["mean", "count"]).reset_index()
            yield means.assign(method=method, facts=size, disturbed=disturbed)


def alpha_rows(model, requests: Sequence[EditRequest], kept: Kept) -> Iterator[pd.DataFrame]:
    """AlphaEdit with the keys and values of ROME's edits at the subject."""
    layer, at = SUBJECT
    P = null_space(covariance(model, layer))

    def alpha(request: EditRequest) -> Edit:
        return change_edit(model, layer, projected_change(P, *_written(kept, [request], layer, at)))

    yield from plain_rows(model, requests, alpha, method="AlphaEdit", layer=layer, place=at, templates=1)


def told_rows(model, requests: Sequence[EditRequest]) -> Iterator[pd.DataFrame]:
    """No edit, and the new fact stated before each question."""
    told = [in_context(request) for request in requests]
    yield from plain_rows(model, told, lambda r: None, method="in context", layer=-1, place="none", templates=0)


def write_tables(load: Load, write: Write) -> None:
    """Edit SmolLM2 in every way; each part is written when it is done."""
    model, kept, done = load(MODEL), {}, []
    requests = all_requests(model)

    def add(rows: Iterator[pd.DataFrame]) -> None:
        done.append(pd.concat(list(rows), ignore_index=True))
        write("real_edits", pd.concat(done, ignore_index=True))

    for layer, at in product(LAYERS, ATS):
        add(rome_rows(model, requests, layer, at, 1, kept))
    for layer, at in (SUBJECT, END):
        add(rome_rows(model, requests, layer, at, MORE, kept))
    for layer, (name, tune) in product(LAYERS, TUNED.items()):
        make = partial(tune, model, layer=layer)
        add(plain_rows(model, requests, make, method=name, layer=layer, place="all", templates=1))
    add(told_rows(model, requests))
    add(alpha_rows(model, requests, kept))
    said = [part for place in (SUBJECT, END) for part in free_rows(model, requests, *place, kept)]
    write("said_edits", pd.concat(said, ignore_index=True))
    write("mass_edits", pd.concat(mass_rows(model, requests, kept), ignore_index=True))
