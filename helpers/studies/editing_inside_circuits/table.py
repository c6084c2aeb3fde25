"""Masks over weights of several tasks and sizes: what they keep, what they are made of, what they share.

``make tables NAME=masks`` writes ``masks``, ``mask_parts`` and ``mask_overlap`` to ``helpers/tables``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import pandas as pd

from helpers.statistics import with_interval
from helpers.studies.editing_inside_circuits.masks import ParameterMask, mask_parts, random_mask, top_mask
from helpers.studies.editing_inside_circuits.search import first_order, hits, learn_masks
from helpers.studies.editing_inside_circuits.tasks import (
    MOST,
    REAL,
    SKILLS,
    MaskTask,
    asked_relation,
    false_answers,
    mask_task,
)
from helpers.studies.tables import Load, Write

MAIN = "atlas2"
TASKS = ("country_capital", "antonym", "resident_firm", "greater-than", "indirect object")
REAL_TASKS = ("country_capital", "antonym", "indirect object")
AGAIN = TASKS[:1]  # found a second time, with other prompts in each step
JUDGED = 50  # prompts
FAST = 0.1  # a learning rate of scores at which masks learn by heart
REAL_SHARES = (0.5, 0.2, 0.1)
SETTINGS = {REAL: dict(shares=REAL_SHARES, steps=20, batch=16)}  # of a search; a step costs seconds there
ASKED = {REAL: 48}  # prompts that are asked there


@dataclass(frozen=True)
class Search:
    """One descent through all shares: of which model, on which task, how."""

    model: str
    task: str
    seed: int = 0
    rate: float = 0.01
    false: bool = False

    @property
    def plain(self) -> bool:
        """Whether it has true answers and the usual settings."""
        return not self.false and self.rate != FAST

    @property
    def key(self) -> dict[str, object]:
        """How the table of overlaps names it."""
        return {"model": self.model, "task": self.task, "seed": self.seed}

    @property
    def columns(self) -> dict[str, object]:
        """How the other tables name it."""
        return self.key | {"rate": self.rate, "true_answers": not self.false}


def searches() -> list[Search]:
    """All descents, SmolLM2's last: they take longest."""
    capital = TASKS[0]
    return [
        *(Search(MAIN, task) for task in TASKS),
        *(Search(MAIN, task, seed=1) for task in AGAIN),
        Search(MAIN, capital, rate=FAST),
        Search(MAIN, capital, rate=FAST, false=True),
        *(Search(REAL, task) for task in REAL_TASKS),
        *(Search(REAL, task, seed=1) for task in AGAIN),
    ]


def task_of(model, search: Search, *asked: str) -> MaskTask:
    """The prompts of a search: of the half of its facts that ``asked`` says, by default those that it is made on."""
    name = search.task if search.task in SKILLS else asked_relation(search.model, search.task)
    return mask_task(model, name, *asked, most=ASKED.get(search.model, MOST))


def judges(model, search: Search) -> dict[str, MaskTask]:
    """The questions that a mask is judged by: those like its own and other facts; in Atlas in other wordings, too."""
    kinds = {"training": ("train", "taught"), "other facts": ("test", "taught")}
    if search.task not in SKILLS and search.model != REAL:
        kinds |= {"other wordings": ("train", "held out"), "both": ("test", "held out")}
    return {kind: task_of(model, search, *asked).sample(JUDGED) for kind, asked in kinds.items()}


def find(model, search: Search) -> dict[float, ParameterMask]:
    """The masks of one search."""
    task = task_of(model, search)
    task = false_answers(task) if search.false else task
    settings = SETTINGS.get(search.model, {})
    return learn_masks(model, task, rate=search.rate, seed=search.seed, **settings)


def mask_rows(model, search: Search, learned: Mapping[float, ParameterMask]) -> pd.DataFrame:
    """What masks keep: columns of the search, ``method, share, asked, kept, low, high, prompts``.

    Methods: ``learned``; for the searches with true answers at the usual rate also ``first-order`` and ``random`` (of
    the learned mask's profile).
    """
    asked = judges(model, search)
    if search.false:
        asked = {kind: false_answers(task) for kind, task in asked.items()}
    methods = {"learned": learned}
    if not search.false and search.rate != FAST:
        scores = first_order(model, task_of(model, search), seed=search.seed)
        methods["first-order"] = {share: top_mask(scores, share) for share in learned}
        methods["random"] = {share: random_mask(mask, search.seed) for share, mask in learned.items()}
    rows = []
    for method, masks in methods.items():
        for share, mask in masks.items():
            for kind, task in asked.items():
                kept = with_interval(hits(model, mask, task).tolist())
                rows.append((method, share, kind, *kept.row(), len(task)))
    found = pd.DataFrame(rows, columns=["method", "share", "asked", "kept", "low", "high", "prompts"])
    return found.assign(**search.columns)[[*search.columns, *found]]


def overlap_rows(found: Mapping[Search, Mapping[float, ParameterMask]]) -> pd.DataFrame:
    """Jaccard of every two searches of one model with true answers at the usual settings, beside chance."""
    rows = []
    for one, two in combinations([s for s in found if s.plain], 2):
        for share in found[one] if one.model == two.model else ():
            a, b = found[one][share], found[two][share]
            names = one.key | {"other": two.task, "other_seed": two.seed, "share": share}
            rows.append(names | {"jaccard": a.jaccard(b), "chance": a.chance_jaccard(b)})
    return pd.DataFrame(rows)


def write_tables(load: Load, write: Write) -> None:
    """All tables, written again after each step, so that a stopped run leaves what it has."""
    found, tables = {}, {"masks": [], "mask_parts": []}
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
