"""Edits confined to weights that a circuit names, to others, and to none: the tables behind the chapter's edits.

``make tables NAME=masks`` writes ``mask_edits`` (`edits.confined_rows`) and ``mask_edit_losses`` (the mean loss before
each step) to ``helpers/tables``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.circuits.graph import Graph
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import statements
from helpers.editing.scores import unrelated_texts
from helpers.prompts.facts import known_facts, relation_pairs
from helpers.searches.attribution import eap_ig
from helpers.studies.editing_inside_circuits.components import (
    component_mask,
    components_of,
    other_components,
    same_types,
)
from helpers.studies.editing_inside_circuits.edits import confined_rows, mask_places
from helpers.studies.editing_inside_circuits.masks import ParameterMask, full_mask
from helpers.studies.editing_inside_circuits.table import MAIN, Search, find
from helpers.studies.editing_inside_circuits.tasks import REAL, asked_relation
from helpers.studies.tables import Load, Write

AGAIN_MODEL = "atlas2-seed1"
EDGES = {MAIN: 30, AGAIN_MODEL: 30, REAL: 30}  # so few that half of the heads and of the MLPs are left outside
IN_ATLAS = {"country_capital": "antonym", "antonym": "resident_firm", "resident_firm": "country_capital"}
# The relations that are edited, each with one of other subjects and other answers, whose circuit is an opponent.
RELATIONS = {
    MAIN: IN_ATLAS,
    AGAIN_MODEL: IN_ATLAS,
    REAL: dict.fromkeys(("country_capital", "country_language", "country_continent"), "antonym")
    | {"antonym": "country_capital"},
}
EDITS = {MAIN: 16, AGAIN_MODEL: 4, REAL: 15}  # for each relation
OPTIONS = {MAIN: dict(step=2e-3, steps=20), AGAIN_MODEL: dict(step=2e-3, steps=20), REAL: dict(step=1e-4, steps=25)}
SEED = 2  # of the requests; step lengths were chosen on those of seed 11
PAIRS = 20
MASK_SHARE = 0.1
SLOW_PLACES = ("random weights", "all")  # half a minute an edit in SmolLM2: there for one edit of `DRAWS` only
UNRELATED = 4  # texts
DRAWS = 3  # of other components and random weights, in turn for the requests


def circuit_components(model, model_name: str, name: str) -> tuple[str, ...]:
    """The heads and MLPs that a relation's circuit names: found on the half of its facts that circuits are found on."""
    pairs = relation_pairs(model, asked_relation(model_name, name), PAIRS)
    return components_of(eap_ig(model, pairs).greedy(EDGES[model_name]))


def component_places(model, components: tuple[str, ...], seed: int = 0) -> dict[str, ParameterMask]:
    """Where changes are confined to: the components' matrices, others', weights of their types, all weights."""
    others = other_components(Graph.from_model(model), components, seed)
    inside = component_mask(model, components)
    return {
        "circuit's components": inside,
        "other components": component_mask(model, others),
        "random weights": same_types(inside, seed),
        "all": full_mask(model),
    }


def places_of(model, model_name: str, name: str) -> Iterator[dict[str, ParameterMask]]:
    """The places of one relation's edits, once for each draw; in Atlas those of its mask, too."""
    components = circuit_components(model, model_name, name)
    other = circuit_components(model, model_name, RELATIONS[model_name][name])
    same = {"another relation's": component_mask(model, other)}
    if model_name == MAIN:
        by_mask = mask_places(find(model, Search(model_name, name))[MASK_SHARE])
        same |= {f"mask: {place}": by_mask[place] for place in ("circuit", "random, same profile", "rest")}
    for seed in range(DRAWS):
        places = component_places(model, components, seed)
        if model_name == REAL and seed:
            places = {place: mask for place, mask in places.items() if place not in SLOW_PLACES}
        yield places | same


def requests_of(model, model_name: str, name: str, seed: int = SEED, n: int | None = None) -> list[EditRequest]:
    """The requests of one relation; SmolLM2 is asked in the wordings in which it knows facts."""
    asked = asked_relation(model_name, name)
    among = None
    if model_name == REAL:
        asked = replace(asked, facts=tuple(known_facts(model, asked)))
        among = [asked]
    return edit_requests(model, asked, n or EDITS[model_name], seed, among)


def texts_of(model, model_name: str) -> list[str]:
    """Texts that an edit should leave alone: Atlas's own sentences, or statements of real facts."""
    if model_name != REAL:
        return unrelated_texts(UNRELATED)
    rows = statements(model, ["element_symbol", "antonym", "plural"], UNRELATED)
    return [model.tokenizer.decode(row[1:]) for row in rows]


def edit_rows(model, model_name: str, name: str) -> Iterator[tuple[pd.DataFrame, dict[str, tuple[float, ...]]]]:
    """The edits of one relation, one after the other (`confined_rows`)."""
    requests, texts = requests_of(model, model_name, name), texts_of(model, model_name)
    for draw, places in enumerate(places_of(model, model_name, name)):
        found = confined_rows(model, requests[draw::DRAWS], places, texts, **OPTIONS[model_name])
        for number, (rows, losses) in enumerate(tqdm(found, desc=f"{model_name} {name}, draw {draw}")):
            own = dict(model=model_name, relation=name, edit=DRAWS * number + draw)
            yield rows.assign(**own)[[*own, *rows]], losses


def mean_losses(found: dict[str, list[tuple[float, ...]]], steps: int) -> pd.DataFrame:
    """The mean loss before each step in each place; an edit that is finished stays at its last loss.

    Returns:
        Columns ``place, step, loss, low, high, edits``; the ends are the quartiles over edits.
    """
    rows = []
    for place, courses in found.items():
        filled = torch.tensor([[*course, *[course[-1]] * (steps - len(course))] for course in courses])
        ends = torch.quantile(filled, torch.tensor([0.25, 0.75]), dim=0)
        for step, values in enumerate(zip(filled.mean(0).tolist(), *ends.tolist(), strict=True)):
            rows.append((place, step, *values, len(courses)))
    return pd.DataFrame(rows, columns=["place", "step", "loss", "low", "high", "edits"])


def write_tables(load: Load, write: Write) -> None:
    """All edits, written again after each one."""
    load, parts, courses = cache(load), [], {}
    for model_name, names in RELATIONS.items():
        for name in names:
            for rows, losses in edit_rows(load(model_name), model_name, name):
                parts.append(rows)
                for place, course in losses.items():
                    courses.setdefault(model_name, {}).setdefault(place, []).append(course)
                write("mask_edits", pd.concat(parts, ignore_index=True))
        tables = [mean_losses(found, OPTIONS[m]["steps"]).assign(model=m) for m, found in courses.items()]
        write("mask_edit_losses", pd.concat(tables, ignore_index=True))
