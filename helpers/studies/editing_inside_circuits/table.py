"""Masks of several tasks and sizes, and edits inside and outside them: the tables behind *Editing inside circuits*.

``make tables NAME=masks`` writes ``masks`` (what each mask keeps), ``mask_parts`` (what it is made of),
``mask_overlap`` and ``mask_edits`` to ``helpers/tables``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import pandas as pd

from helpers.editing.requests import edit_requests
from helpers.editing.scores import unrelated_texts
from helpers.statistics import with_interval
from helpers.studies.editing_inside_circuits.edits import confined_rows, edit_places
from helpers.studies.editing_inside_circuits.masks import ParameterMask, mask_parts, random_mask, top_mask
from helpers.studies.editing_inside_circuits.search import SHARES, first_order, hits, learn_masks
from helpers.studies.editing_inside_circuits.tasks import SKILLS, MaskTask, false_answers, mask_task
from helpers.studies.tables import Load, Write

TASKS = ("country_capital", "antonym", "person_employer", "greater-than", "indirect object")
EDITED = TASKS[:3]
AGAIN = TASKS[:2]  # found a second time, with other prompts in each step
EDIT_SHARES = (0.1, 0.05, 0.5, 0.2)
EDITS, REQUEST_SEED, PACED_SEED = 4, 2, 3  # for each relation; paces are chosen on the first requests, not on these
JUDGED = 50  # prompts
UNRELATED = 8  # texts
FAST = 0.1  # a learning rate of scores at which masks learn by heart


@dataclass(frozen=True)
class Search:
    """One descent through all shares: of which model, on which task, how."""

    model: str
    task: str
    seed: int = 0
    rate: float = 0.01
    embeddings: bool = False
    false: bool = False

    @property
    def plain(self) -> bool:
        """Whether it has true answers and the usual settings."""
        return not self.false and not self.embeddings and self.rate != FAST

    @property
    def key(self) -> dict[str, object]:
        """How the table of edits names it."""
        return {"model": self.model, "task": self.task, "seed": self.seed}

    @property
    def columns(self) -> dict[str, object]:
        """How the other tables name it."""
        pool = "with embeddings" if self.embeddings else "layers"
        return self.key | {"rate": self.rate, "pool": pool, "true_answers": not self.false}


def searches() -> list[Search]:
    """All descents: the plain ones first, on which edits are tried."""
    main, capital = "atlas", TASKS[0]
    return [
        *(Search(main, task) for task in TASKS),
        Search("atlas-seed1", capital),
        *(Search(main, task, seed=1) for task in AGAIN),
        Search(main, capital, rate=FAST),
        Search(main, capital, rate=FAST, false=True),
        Search(main, capital, false=True),
        Search(main, capital, embeddings=True),
    ]


def judges(model, name: str) -> dict[str, MaskTask]:
    """The questions that a mask is judged by: those like its own, other wordings, other facts, and both."""
    kinds = {"training": ("train", "taught"), "other facts": ("test", "taught")}
    if name not in SKILLS:
        kinds |= {"other wordings": ("train", "held out"), "both": ("test", "held out")}
    return {kind: mask_task(model, name, *asked).sample(JUDGED) for kind, asked in kinds.items()}


def find(model, search: Search) -> dict[float, ParameterMask]:
    """The masks of one search."""
    task = mask_task(model, search.task)
    task = false_answers(task) if search.false else task
    return learn_masks(model, task, embeddings=search.embeddings, rate=search.rate, seed=search.seed)


def mask_rows(model, search: Search, learned: Mapping[float, ParameterMask]) -> pd.DataFrame:
    """What masks keep: columns of the search, ``method, share, asked, kept, low, high``.

    Methods: ``learned``; for the searches with true answers at the usual rate also ``first-order`` and ``random`` (of
    the learned mask's profile).
    """
    asked = judges(model, search.task)
    if search.false:
        asked = {kind: false_answers(task) for kind, task in asked.items()}
    methods = {"learned": learned}
    if not search.false and search.rate != FAST:
        task = mask_task(model, search.task)
        scores = first_order(model, task, embeddings=search.embeddings, seed=search.seed)
        methods["first-order"] = {share: top_mask(scores, share) for share in SHARES}
        methods["random"] = {share: random_mask(mask, search.seed) for share, mask in learned.items()}
    rows = []
    for method, masks in methods.items():
        for share, mask in masks.items():
            for kind, task in asked.items():
                rows.append((method, share, kind, *with_interval(hits(model, mask, task).tolist()).row()))
    found = pd.DataFrame(rows, columns=["method", "share", "asked", "kept", "low", "high"])
    return found.assign(**search.columns)[[*search.columns, *found]]


def overlap_rows(found: Mapping[Search, Mapping[float, ParameterMask]]) -> pd.DataFrame:
    """Jaccard of every two searches of one model with true answers at the usual settings, beside chance."""
    rows = []
    for one, two in combinations([s for s in found if s.plain], 2):
        for share in SHARES if one.model == two.model else ():
            a, b = found[one][share], found[two][share]
            names = one.key | {"other": two.task, "other_seed": two.seed, "share": share}
            rows.append(names | {"jaccard": a.jaccard(b), "chance": a.chance_jaccard(b)})
    return pd.DataFrame(rows)


def edit_rows(model, search: Search, learned: Mapping[float, ParameterMask], share: float) -> pd.DataFrame:
    """Edits inside and outside the mask of one search at one share (`confined_rows`).

    All weights free are tried once (they don't depend on the share), and the equal rate at the first share only.
    """
    requests = edit_requests(model, search.task, EDITS, REQUEST_SEED)
    places = edit_places(learned[share], search.seed)
    if share != EDIT_SHARES[0]:
        places.pop("all")
    rules = ("matched", "equal") if share == EDIT_SHARES[0] and search.seed == 0 else ("matched",)
    tables = [confined_rows(model, requests, places, unrelated_texts(UNRELATED), rule) for rule in rules]
    return pd.concat(tables).assign(share=share, **search.key)


def paced_rows(model, search: Search, learned: Mapping[float, ParameterMask], edits: pd.DataFrame) -> pd.DataFrame:
    """Edits of other requests at the first share, at rates with which all places learn as fast as all weights together.

    Args:
        edits: what `edit_rows` gave there; an edit's steps are nearly inverse to its rate.
    """
    steps = edits[edits.rule == "matched"].groupby("place").steps.mean()
    requests = edit_requests(model, search.task, EDITS, PACED_SEED)
    places, paces = edit_places(learned[EDIT_SHARES[0]], search.seed), (steps / steps["all"]).to_dict()
    table = confined_rows(model, requests, places, unrelated_texts(UNRELATED), paces=paces)
    return table.assign(share=EDIT_SHARES[0], **search.key)


def write_tables(load: Load, write: Write) -> None:
    """All tables, written again after each step, so that a stopped run leaves what it has."""
    found, tables = {}, {"masks": [], "mask_parts": [], "mask_edits": []}
    load = cache(load)

    def add(name: str, part: pd.DataFrame) -> None:
        tables[name].append(part)
        write(name, pd.concat(tables[name], ignore_index=True))

    for search in searches():
        model = load(search.model)
        found[search] = find(model, search)
        add("masks", mask_rows(model, search, found[search]))
        for share, mask in found[search].items():
            add("mask_parts", mask_parts(mask).assign(share=share, **search.columns))
        write("mask_overlap", overlap_rows(found))
        if search.plain and search.task in EDITED:
            edits = edit_rows(model, search, found[search], EDIT_SHARES[0])
            add("mask_edits", edits)
            if search.seed == 0:
                add("mask_edits", paced_rows(model, search, found[search], edits))
    for search in (Search("atlas", task) for task in EDITED):
        for share in EDIT_SHARES[1:]:
            add("mask_edits", edit_rows(load("atlas"), search, found[search], share))
