"""How circuits form along the training runs that have checkpoints: tables that take longer than a chapter may.

``make tables NAME=formation`` writes them; chapters read them with `read_table`: ``formation`` (what the model can
do at each step), ``formation_circuits`` (the circuits, and how they compare with the finished ones),
``formation_heads`` (names of heads), ``formation_alike`` (two models beside each other) and ``formation_courses``
(when the courses of the corpus stand).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from tqdm.auto import tqdm

from helpers.atlas.corpus import corpus
from helpers.atlas.tokenizer import VOCABULARY_SIZE
from helpers.atlas.training import RUNS, encode
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.components.head_classes import LETTERS, classify_heads
from helpers.models.load import checkpoints, embedded_models, model_folder
from helpers.prompts.facts import TooFewPairs
from helpers.studies.how_circuits_form.formation import (
    RELATIONS,
    TASKS,
    TOWNS,
    FinalModel,
    ability_row,
    circuit_row,
    finished,
)
from helpers.studies.how_circuits_form.head_matching import ModelProfile, compare
from helpers.studies.tables import Load, Write

Steps = Mapping[int, str]  # step -> model
FINISHED = "finished"  # in the column ``at`` of the table of likeness


def training_runs() -> dict[str, Steps]:
    """The shipped runs on the first corpus, each with its checkpoints by step, the finished model last."""
    return {name: checkpoints(name) for name in RUNS if RUNS[name].corpus == "first"}


def edge_numbers(circuit: Circuit) -> str:
    """A circuit's edges as numbers in the graph's order of edges, with spaces between them."""
    return " ".join(map(str, circuit.mask[circuit.graph.edges].nonzero().flatten().tolist()))


def numbered_circuit(graph: Graph, numbers: str) -> Circuit:
    """The circuit whose edges have these numbers (`edge_numbers`)."""
    held = torch.zeros(graph.n_edges, dtype=torch.bool)
    held[torch.tensor([int(n) for n in numbers.split()], dtype=torch.long)] = True
    return Circuit(graph, graph.edges.masked_scatter(graph.edges, held))


def finished_tasks(model) -> dict[str, FinalModel]:
    """`finished` for all tasks; home towns of which the model knows too few are left out."""
    done = {}
    for task in tqdm(TASKS):
        try:
            done[task] = finished(model, task)
        except TooFewPairs:
            if task not in TOWNS:
                raise
    return done


def checkpoint_rows(model, last, done: Mapping[str, FinalModel]) -> tuple[dict[str, pd.DataFrame], ModelProfile]:
    """The tables ``formation``, ``formation_circuits`` and ``formation_heads`` of one model, and what `compare` needs.

    Args:
        model: the model at one step.
        last: the finished model of its run.
        done: of `finished_tasks`.
    """
    found, rows = {}, []
    for task in tqdm(done):
        row, found[task] = circuit_row(model, last, task, done)
        rows.append({"task": task, "half": "train", **row, "edges": edge_numbers(found[task])})
    seen = ModelProfile(
        {name: classify_heads(model, done[name].train) for name in RELATIONS}, {name: found[name] for name in RELATIONS}
    )
    letters = [(name, "".join(LETTERS[c] for c in frame["class"])) for name, frame in seen.heads.items()]
    tables = {
        "formation": ability_row(model).rename_axis("measure").reset_index(name="value"),
        "formation_circuits": pd.DataFrame(rows),
        "formation_heads": pd.DataFrame(letters, columns=["relation", "classes"]),
    }
    return tables, seen


def run_parts(load: Load, run: str, steps: Steps) -> Iterator[tuple[str, dict, ModelProfile]]:
    """For each step of a run its tables, with columns ``run`` and ``step``, and what `compare` needs.

    The first part is of the finished model on the other half of its prompts: the yardstick.

    Yields:
        The step as text (`FINISHED` for the last one, ``"other half"`` for the yardstick), the tables, what was seen.
    """
    end = max(steps)
    last = load(steps[end])
    done = finished_tasks(last)
    rows = [{"task": task, "half": "test", "edges": edge_numbers(own.other)} for task, own in done.items()]
    heads = {name: classify_heads(last, done[name].test) for name in RELATIONS}
    tables = {"formation_circuits": pd.DataFrame(rows).assign(run=run, step=end)}
    yield "other half", tables, ModelProfile(heads, {name: done[name].other for name in RELATIONS})
    for step, name in steps.items():
        tables, seen = checkpoint_rows(last if step == end else load(name), last, done)
        tables = {key: table.assign(run=run, step=step) for key, table in tables.items()}
        yield FINISHED if step == end else str(step), tables, seen


def comparable(one: ModelProfile, other: ModelProfile) -> bool:
    """Whether two models have the same edges, and heads that can change places.

    Heads that share a key and a value can't move singly, so a matching head by head isn't defined for them.
    """
    return one.graph == other.graph and one.graph.n_groups == one.graph.n_heads


def alike_rows(seen: Mapping[tuple[str, str], ModelProfile]) -> pd.DataFrame:
    """Two models beside each other: any two runs at a step that both have, and each finished model beside itself.

    Only models that are `comparable`.

    Args:
        seen: (run, step) -> what was seen, as `run_parts` gives it.

    Returns:
        Columns ``first, second`` (runs; the same one twice is the yardstick: other prompts), ``at`` (the step) and
        those of `compare`.
    """
    parts = []
    for (first, at), (second, other) in combinations(seen, 2):
        own_halves = first == second and {at, other} == {FINISHED, "other half"}
        one_step = first != second and at == other != "other half"
        if (own_halves or one_step) and comparable(seen[first, at], seen[second, other]):
            table = compare(seen[first, at], seen[second, other])
            parts.append(table.assign(first=first, second=second, at=FINISHED if own_halves else at))
    return pd.concat(parts, ignore_index=True)


def course_rows(run: str) -> pd.DataFrame:
    """Between which steps the courses of the corpus stand: columns ``run, course, first, last``.

    Counted in tokens: rows are filled about evenly, so the steps are right within a few.
    """
    plan = json.loads((model_folder(run) / "plan.json").read_text(encoding="utf-8"))
    documents = corpus(plan["seed"], range(257, VOCABULARY_SIZE))
    tokenizer = Tokenizer.from_file(str(model_folder(run) / "tokenizer.json"))
    ends = np.cumsum([len(ids) + 1 for ids in encode(documents, tokenizer)])  # one for BOS
    rows = []
    for course in ("copying", "last"):
        places = [n for n, document in enumerate(documents) if document.course == course]
        first, last = (math.ceil(plan["steps"] * ends[n] / ends[-1]) for n in (places[0], places[-1]))
        rows.append((run, course, first, last))
    return pd.DataFrame(rows, columns=["run", "course", "first", "last"])


def write_tables(load: Load, write: Write, runs: Mapping[str, Steps] | None = None) -> None:
    """Follow the circuits of all shipped runs; or of others, given by their steps."""
    runs = runs or training_runs()
    done: dict[str, list[pd.DataFrame]] = {}
    seen: dict[tuple[str, str], ModelProfile] = {}
    for run, steps in runs.items():
        for at, tables, own in run_parts(load, run, steps):
            seen[run, at] = own
            for name, table in tables.items():
                done.setdefault(name, []).append(table)
                write(name, pd.concat(done[name], ignore_index=True))
    write("formation_alike", alike_rows(seen))
    shipped = [name for name in runs if name in embedded_models()]
    write("formation_courses", pd.concat([course_rows(name) for name in shipped], ignore_index=True))
