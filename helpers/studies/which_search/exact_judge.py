"""How well each search's scores follow what single cuts do, reader by reader: the table ``judged_exact``.

On Atlas every edge is cut; on SmolLM2 a stratified sample (`helpers.searches.exact.exact_sample`), in which each kind
of reader has as many edges as every other: there, "all" is the sample and not the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd
import torch
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor
from tqdm.auto import tqdm

from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.searches.exact import exact_sample
from helpers.statistics import Estimate, bootstrap
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.which_search.candidates import Search
from helpers.studies.which_search.tasks import Task, few_tasks, searches_for, task_pairs

READERS = ("all", "q", "k", "v", "MLP", "logits")
EDGES = {"atlas": 3628, "smollm2": 3000}  # cut one by one; Atlas has no more
NONE = Estimate(*(math.nan,) * 3)


def pearson(first: Float[Tensor, "*resample edge"], second: Float[Tensor, "*resample edge"]) -> Tensor:
    """The correlation of two rows; 0 where one of them has only one value."""
    first, second = (row - row.mean(-1, keepdim=True) for row in (first, second))
    scale = first.norm(dim=-1) * second.norm(dim=-1)
    return torch.where(scale > 0, (first * second).sum(-1) / scale.clamp_min(1e-300), torch.zeros_like(scale))


def spearman(first: Float[Tensor, "*resample edge"], second: Float[Tensor, "*resample edge"]) -> Tensor:
    """The correlation of two rows' ranks (equal values share theirs)."""
    return pearson(*(torch.from_numpy(rankdata(row.numpy(), axis=-1)) for row in (first, second)))


def agreement(found: Float[Tensor, " edge"], exact: Float[Tensor, " edge"]) -> dict[str, Estimate]:
    """Both correlations with intervals from drawing the edges again; nan where one side has only one value.

    RelP gives no score to any edge into queries or keys, so there it has no order that could be right.
    """
    told = all(len(row) > 1 and row.min() < row.max() for row in (found, exact))
    both = {"pearson": pearson, "spearman": spearman}
    return {name: bootstrap(measure, found, exact) if told else NONE for name, measure in both.items()}


def judged(scores: Scores, exact: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The agreement by kind of reader.

    Args:
        exact: columns ``edge, kind, score``, as `exact_sample` gives them.
    """
    graph = scores.graph
    found = torch.stack([scores.values[graph.place(edge)] for edge in exact.edge])
    truth = torch.tensor(exact.score.to_numpy())
    for reader in READERS:
        chosen = torch.tensor((exact.kind == reader).to_numpy() | (reader == "all"))
        row: dict[str, object] = dict(reader=reader, edges=int(chosen.sum()))
        for name, estimate in agreement(found[chosen], truth[chosen]).items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate.row(), strict=True))
        yield row


def exact_rows(model, pairs: PromptPairs, searches: Mapping[str, Search], n: int) -> Iterator[dict[str, object]]:
    """Every search's rows; ``n`` edges are cut, in the pairs that the searches are given."""
    exact = exact_sample(model, pairs, n)
    for name, search in searches.items():
        scores = search(model, pairs)
        yield from (dict(search=name, pairs=len(pairs)) | row for row in judged(scores, exact))


def task_rows(model, task: Task) -> pd.DataFrame:
    """The rows of a task, the exact scores themselves left out."""
    searches = {name: search for name, search in searches_for(task).items() if name != "exact"}
    rows = exact_rows(model, task_pairs(model, task.name), searches, EDGES[task.model])
    return pd.DataFrame(rows).assign(**dict(model=task.model, task=task.name, kind=task.kind))


def write_tables(load: Load, write: Write) -> None:
    """Judge all searches by exact scores, task by task."""
    models = {name: load(name) for name in EDGES}
    tasks = [task for name in EDGES for task in few_tasks(name)]
    write_parts(write, "judged_exact", (task_rows(models[task.model], task) for task in tqdm(tasks)))
