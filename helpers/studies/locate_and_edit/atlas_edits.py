"""What follows from an edit when we know what training stated: Atlas's people and world, and the circle of clans.

``make tables NAME=edits`` writes ``edits``, a row for each edit and kind of question. A composed question
is of the kind ``stated`` if training stated its old answer as a fact of its own, else ``held out``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.circle import COMPOSED, KIND
from helpers.atlas.clans import compositions
from helpers.atlas.corpora import Corpus, world
from helpers.atlas.sample import corpus_covariance
from helpers.editing.edit import At
from helpers.editing.requests import EditRequest, Question, edit_requests
from helpers.editing.rome import rome
from helpers.models.predict import top1_correct
from helpers.prompts.relations import ALL_KINDS, Fact, Relation, hops, relations
from helpers.studies.locate_and_edit.judging import judged
from helpers.studies.tables import Load, Write, write_parts

RELATIONS = ("resident_firm", "landmark_country", "company_country", "country_capital", "country_language")
MODELS: dict[str, Corpus] = {"atlas2": "profiles", "atlas2-seed1": "profiles"}
CIRCLES: dict[str, Corpus] = {"atlas2-circle": "circle"}
Way = tuple[int, At, int]  # layer, place, templates that the editor sees
WAYS: tuple[Way, ...] = ((0, "subject_last", 1), (5, "last", 1))  # each place with its best layer in ``edit_places``
ALL_WAYS = (*WAYS, (0, "subject_last", 3), (5, "last", 3))
SEED, EDITS, DRAWN = 10, 10, 20  # other requests than those of ``edit_places``
CIRCLE_EDITS, FOLLOWERS = 3, 6  # of each relation of the circle, and composed questions of each edit


def composed_groups(tables: Sequence[Relation]) -> dict[str, str]:
    """Of every composed question, in all templates, whether training stated its answer."""
    names, found = hops(*ALL_KINDS), {}
    for table in tables:
        if table.name in names:
            for fact in table.facts:
                group = "stated" if fact.group == "taught" else "held out"
                found.update({table.prompt(fact, p): group for p in range(len(table.templates))})
    return found


def by_group(request: EditRequest, groups: dict[str, str]) -> EditRequest:
    """The request with the group of each composed question in its kind."""
    kinds = [f"{q.kind}, {groups[q.prompt]}" if q.prompt in groups else q.kind for q in request.portability]
    asked = (replace(q, kind=kind) for q, kind in zip(request.portability, kinds, strict=True))
    return replace(request, portability=tuple(asked))


def world_requests(model, told: Corpus) -> list[EditRequest]:
    """Requests about people with names of several words, and about the world's facts."""
    tables, found = world(told), []
    groups = composed_groups(tables)
    for table in (table for table in tables if table.name in RELATIONS):
        drawn = edit_requests(model, table, DRAWN, SEED, among=tables)
        if table.kind == "people":
            drawn = [r for r in drawn if " " in r.subject]
        found += [by_group(r, groups) for r in sorted(drawn, key=lambda r: not r.portability)[:EDITS]]
    return found


def circle_requests(model) -> list[EditRequest]:
    """Requests about facts of the circle that are steps of compositions which the model answers."""
    tables, two_steps = relations(KIND), compositions(KIND, COMPOSED)
    answers = {(t.name, f.subject): f.answer for t in tables.values() for f in t.facts}
    found = []
    for first in tables.values():
        steps = [f for f in first.facts if f.group == "a step"]
        own = replace(first, facts=tuple(steps))
        for request in edit_requests(model, own, CIRCLE_EDITS, SEED, among=list(tables.values())):
            asked = []
            for second in tables.values():
                table = two_steps[f"{first.name}_{second.name}"]
                (fact,) = table.about(request.subject)
                then = answers[second.name, request.new]
                if fact.group != "unseen step" and then != fact.answer:
                    kind = "first hop, " + ("stated" if fact.group == "taught" else "held out")
                    asked.append(Question(_asked(table, fact), then, fact.answer, kind))
            found.append(replace(request, portability=tuple(_answered(model, asked))))
    return found


def _asked(table: Relation, fact: Fact) -> str:
    return table.prompt(fact, random.Random(fact.subject + table.name).randrange(len(table.templates)))


def _answered(model, asked: list[Question]) -> list[Question]:
    """Those whose old answer the model says; of the two kinds in turn, few of each."""
    right = top1_correct(model, [q.prompt for q in asked], [f" {q.rival}" for q in asked]).tolist()
    known = [q for q, yes in zip(asked, right, strict=True) if yes]
    return [q for kind in {q.kind for q in known} for q in [q for q in known if q.kind == kind][: FOLLOWERS // 2]]


def edit_rows(model, requests: Sequence[EditRequest], told: Corpus, ways: Sequence[Way]) -> Iterator[pd.DataFrame]:
    """All edits of one model: ROME at each layer and place with so many templates."""
    moments = {layer: corpus_covariance(model, layer, told=told) for layer in {way[0] for way in ways}}
    for layer, at, templates in ways:
        about = dict(method="ROME", layer=layer, place=at, templates=templates)
        for request in tqdm(requests, desc=f"ROME, layer {layer}, {at}, {templates}"):
            options = dict(at=at, prefixes=(), wordings=min(templates - 1, len(request.wordings)))
            edit = rome(model, request, layer, covariance=moments[layer], **options)
            yield judged(model, request, edit).assign(**about)


def parts(load: Load) -> Iterator[pd.DataFrame]:
    """A part for each model; the first one is also edited with three templates."""
    for name, told in (MODELS | CIRCLES).items():
        model = load(name)
        requests = world_requests(model, told) if name in MODELS else circle_requests(model)
        ways = ALL_WAYS if name == next(iter(MODELS)) else WAYS
        rows = edit_rows(model, requests, told, ways)
        yield pd.concat(list(rows), ignore_index=True).assign(model=name)


def write_tables(load: Load, write: Write) -> None:
    """Edit Atlas and the circle."""
    write_parts(write, "edits", parts(load))
