"""Where an edit takes hold: ROME at the subject's last token and at the prompt's, in models told in two ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.corpora import Corpus, world
from helpers.atlas.sample import corpus_covariance
from helpers.editing.edit import At
from helpers.editing.requests import EditRequest, edit_requests
from helpers.studies.edit_places import judged_at
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.where_facts_are_kept.places import told_models

RELATIONS = ("resident_firm", "resident_town", "resident_dish", "resident_instrument")  # the first has second hops
DRAWN, EDITS = 30, 10  # requests that are drawn of each relation, and those made: of names of several words
LAYERS = (0, 1, 2, 3, 4, 5)


def requests(model, told: Corpus, edits: int = EDITS) -> list[EditRequest]:
    """Requests about people whose names have several words."""
    tables = world(told)
    found = []
    for table in (table for table in tables if table.name in RELATIONS):
        long = [r for r in edit_requests(model, table, DRAWN, among=tables) if " " in r.subject]
        found += long[:edits]
    return found


def edit_rows(model, told: Corpus, layers: tuple[int, ...] = LAYERS, edits: int = EDITS) -> Iterator[pd.DataFrame]:
    """All edits of one model, one part for each layer."""
    asked = requests(model, told, edits)
    for layer in tqdm(layers, desc="layers"):
        covariance = corpus_covariance(model, layer, told=told)
        yield pd.concat(
            [judged_at(model, request, layer, place, covariance) for place in get_args(At) for request in asked],
            ignore_index=True,
        )


def write_tables(load: Load, write: Write) -> None:
    """Edit all models of the second Atlas."""
    parts = (part.assign(model=name) for name, model, told in told_models(load) for part in edit_rows(model, told))
    write_parts(write, "edit_places", parts)
