"""How circuits form along the training runs that have checkpoints: tables that take longer than a chapter may.

``make tables NAME=formation`` writes them; chapters read them with `read_table`: ``formation_circuits`` (the circuits
at each step, and how they compare with the finished ones), ``formation_towns`` (home towns known, by how often they
are told), ``formation_grafts`` (parts of one step's weights in another step's) and ``formation_alike`` (two finished
models compared head by head).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.training import RUNS
from helpers.components.head_classes import classify_heads
from helpers.models.load import checkpoints
from helpers.models.network import read_network
from helpers.statistics import with_interval
from helpers.studies.how_circuits_form.formation import (
    GROUPS,
    RELATIONS,
    TASKS,
    TOLD,
    FinalModel,
    circuit_row,
    find,
    finished,
    town_recall,
)
from helpers.studies.how_circuits_form.grafts import graft_rows
from helpers.studies.how_circuits_form.head_matching import ModelProfile, compare
from helpers.studies.tables import Load, Write, write_parts

Steps = Mapping[int, str]  # step -> model
Run = tuple[object, dict[str, FinalModel]]  # a finished model, and what `finished` found of each task
GRAFTED = ((400, 800), (800, 1400))  # steps whose weights are mixed


def training_runs() -> dict[str, Steps]:
    """The shipped runs of the second Atlas that have checkpoints, each by step, the finished model last."""
    runs = {name: checkpoints(name) for name, plan in RUNS.items() if plan.corpus == "profiles"}
    return {name: steps for name, steps in runs.items() if len(steps) > 1}


def circuit_rows(model, run: Run) -> pd.DataFrame:
    """`circuit_row` of all tasks at one step: columns ``task, group`` and its own."""
    last, done = run
    circuits = {task: find(model, known.train) for task, known in done.items()}
    groups = {task: group for group, tasks in GROUPS.items() for task in tasks}
    rows = [{"task": t, "group": groups[t]} | circuit_row(model, last, t, circuits, done) for t in tqdm(done)]
    return pd.DataFrame(rows)


def town_rows(model) -> pd.DataFrame:
    """Columns ``told, recall, low, high, towns``: home towns known, with intervals over towns."""
    known = {times: town_recall(model, times) for times in TOLD}
    rows = [(times, *with_interval(each).row(), len(each)) for times, each in known.items()]
    return pd.DataFrame(rows, columns=["told", "recall", "low", "high", "towns"])


def mixed_rows(load: Load, steps: Steps, run: Run) -> Iterator[pd.DataFrame]:
    """`graft_rows` of all tasks between two steps, with columns ``base, donor, task``."""
    for base, donor in GRAFTED:
        if {base, donor} <= set(steps):
            nets = [read_network(load(steps[step])) for step in (base, donor)]
            for task, known in run[1].items():
                yield graft_rows(*nets, known.test).assign(base=base, donor=donor, task=task)


def profiles(run: Run) -> tuple[ModelProfile, ModelProfile]:
    """Heads and circuits of a finished model in all relations, from either half of its prompts."""
    last, done = run
    heads = [
        {name: classify_heads(last, getattr(done[name], half)) for name in RELATIONS} for half in ("train", "test")
    ]
    circuits = [{name: getattr(done[name], half) for name in RELATIONS} for half in ("own", "other")]
    one, other = (ModelProfile(*parts) for parts in zip(heads, circuits, strict=True))
    return one, other


def alike_rows(seen: Mapping[str, tuple[ModelProfile, ModelProfile]]) -> pd.DataFrame:
    """Finished models compared: any two, and each with itself from the other half of its prompts.

    Returns:
        Columns ``first, second`` (the same one twice is test-retest) and those of `compare`.
    """
    parts = [compare(*both).assign(first=run, second=run) for run, both in seen.items()]
    for one, two in combinations(seen, 2):
        parts.append(compare(seen[one][0], seen[two][0]).assign(first=one, second=two))
    return pd.concat(parts, ignore_index=True)


def write_tables(load: Load, write: Write, runs: Mapping[str, Steps] | None = None) -> None:
    """Follow the circuits of all shipped runs; or of others, given by their steps."""
    runs = runs or training_runs()
    ends = {name: load(steps[max(steps)]) for name, steps in runs.items()}
    done: dict[str, Run] = {name: (last, {t: finished(last, t) for t in tqdm(TASKS)}) for name, last in ends.items()}
    every = [(name, step, file) for name, steps in runs.items() for step, file in steps.items()]
    found = (circuit_rows(load(file), done[name]).assign(run=name, step=step) for name, step, file in every)
    write_parts(write, "formation_circuits", found)
    mixed = (part.assign(run=name) for name, steps in runs.items() for part in mixed_rows(load, steps, done[name]))
    write_parts(write, "formation_grafts", mixed)
    towns = (town_rows(load(file)).assign(run=name, step=step) for name, step, file in every)
    write_parts(write, "formation_towns", towns)
    write("formation_alike", alike_rows({name: profiles(run) for name, run in done.items()}))
