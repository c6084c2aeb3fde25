"""What each search costs beside EAP and EAP-IG: the table ``judged_cost``.

The searches of a model take turns, each once a round, and each round begins with another one: a machine that is busy
for a while is busy for all of them, and ratios are of one round. Memory is measured in a process for each search.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas.planted import finished
from helpers.atlas.skills import random_pairs
from helpers.circuits.graph import Graph
from helpers.models.load import load_model
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import bootstrap
from helpers.studies.processes import alone, peak_beyond
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.which_search.candidates import BASELINES, SEARCHES, SLOW, Search
from helpers.studies.which_search.tasks import PAIRS, task_pairs

TASK, TOKENS = "country_capital", 16  # of a model with random weights: tokens of each prompt
GPT2 = "GPT-2 small's shape"
ROUNDS = {"atlas": 15, "smollm2": 7, GPT2: 7}
SLOW_ROUNDS = 3  # of Atlas's slow searches
BESIDE = {"eap": "EAP", "eap_ig": "EAP-IG"}


def save_gpt2(folder: str) -> None:
    """Random weights of GPT-2 small's shape, with Atlas's tokenizer."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    finished(GPT2LMHeadModel(GPT2Config()), Path(folder))


def prepared(name: str, folder: str) -> tuple[object, PromptPairs]:
    """A model, and pairs to search in; ``folder`` has the one with random weights."""
    if name == GPT2:
        model = load_model(folder, device="cpu")
        return model, random_pairs(model, TOKENS, PAIRS["train"])
    model = load_model(name, device="cpu")
    return model, task_pairs(model, TASK)


def alternated(
    model, pairs: PromptPairs, searches: Mapping[str, Search], rounds: int
) -> dict[str, Float[Tensor, " round"]]:
    """The seconds of each search in each round, after one that isn't measured."""
    names = list(searches)
    seconds = {name: torch.zeros(rounds, dtype=torch.float64) for name in names}
    for number in range(-1, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            searches[name](model, pairs)
            if number >= 0:
                seconds[name][number] = time.perf_counter() - start
    return seconds


def median(values: Float[Tensor, "*resample round"]) -> Float[Tensor, "*resample"]:
    """The middle value; between two, their mean."""
    return values.quantile(0.5, -1)


def time_rows(seconds: Mapping[str, Float[Tensor, " round"]]) -> Iterator[dict[str, object]]:
    """The median time of each search, and of its ratio to EAP and EAP-IG in the same round, with intervals.

    The intervals come from drawing the rounds again; ``fastest`` and ``slowest`` are the rounds' ends.
    """
    for name, own in seconds.items():
        row = dict(search=name, rounds=len(own), fastest=own.min().item(), slowest=own.max().item())
        measured = {"seconds": own} | {f"times_{short}": own / seconds[other] for short, other in BESIDE.items()}
        for column, values in measured.items():
            row |= dict(zip((column, f"{column}_low", f"{column}_high"), bootstrap(median, values).row(), strict=True))
        yield row


def timed(name: str, folder: str) -> pd.DataFrame:
    """All searches of a model timed in this process, on Atlas the slow ones, too."""
    model, pairs = prepared(name, folder)
    rows = list(time_rows(alternated(model, pairs, SEARCHES | BASELINES, ROUNDS[name])))
    if name == "atlas":
        beside = {search: SEARCHES[search] for search in BESIDE.values()}
        slow = time_rows(alternated(model, pairs, beside | SLOW, SLOW_ROUNDS))
        rows += [row for row in slow if row["search"] in SLOW]
    graph = Graph.from_model(model)
    shape = dict(model=name, edges=graph.n_edges, pairs=len(pairs), threads=torch.get_num_threads())
    return pd.DataFrame([shape | row for row in rows])


def peak(name: str, folder: str, search: str) -> float:
    """The MB that a search needs beyond a model that has answered its prompts once, in a process for it alone."""
    model, pairs = prepared(name, folder)
    pairs.clean_logits(model)
    return peak_beyond(lambda: (SEARCHES | BASELINES | SLOW)[search](model, pairs))


def cost_rows() -> Iterator[pd.DataFrame]:
    """One model after the other."""
    with tempfile.TemporaryDirectory() as folder:
        alone(save_gpt2, folder)
        for name in tqdm(ROUNDS):
            table = alone(timed, name, folder)
            yield table.assign(peak_mb=[alone(peak, name, folder, search) for search in table.search])


def write_tables(load: Load, write: Write) -> None:
    """Measure all searches on three models, in new processes."""
    write_parts(write, "judged_cost", cost_rows())
