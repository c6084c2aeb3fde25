"""The book's measurements of circuits, heads and edits on Atlas in Llama's shape, beside Atlas: the table ``llama``.

``make tables NAME=llama`` writes it. Each row is one number of one model with its 95 % interval: columns
``model, bar, relation, setting, measure, value, low, high``; the relation ``all`` is the mean over relations (or, of
edits, over all edits).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.sample import corpus_covariance
from helpers.atlas.wordings import WORDING_STEP, asked_relations, worded_pairs
from helpers.circuits.circuit import random_circuit
from helpers.circuits.evaluation import baselines, faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.components.head_classes import classify_heads
from helpers.editing.requests import edit_requests
from helpers.editing.rome import rome
from helpers.editing.scores import edit_summary, evaluate_edits
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.searches.attribution import eap, eap_ig
from helpers.statistics import Estimate, with_interval
from helpers.studies.head_agreement import agreement, shuffled
from helpers.studies.tables import ASKED, Load, Write, write_parts

MODELS = ("atlas", "atlas-llama")
SIZES = (50, 100, 200)
SEARCHES = {"EAP": eap, "EAP-IG": eap_ig}
TRAIN, TEST = 20, 40  # pairs
RANDOM_SEEDS = 3
SHUFFLES = 20
AGAIN = ("other facts", "second wording")
EDITED_LAYER, EDITS, SEED = 5, 10, 2  # chosen for Atlas on the requests of other seeds; edits of each relation


def discovery_rows(model, name: str) -> list[dict[str, object]]:
    """Faithfulness on held-out subjects of circuits of `SIZES`, by each search and by chance (mean over seeds)."""
    train, test = (relation_pairs(model, name, n, split=half) for n, half in ((TRAIN, "train"), (TEST, "test")))
    scale, graph, rows = baselines(model, test, logit_diff, "corrupt"), Graph.from_model(model), []
    for label, search in SEARCHES.items():
        scores = search(model, train)
        for size in SIZES:
            kept = faithfulness(model, scores.greedy(size), test, scale=scale)
            rows.append(_row("discovery", name, f"{label}, {size} edges", "faithfulness", kept))
    for size in SIZES:
        drawn = (random_circuit(graph, size, seed=seed) for seed in range(RANDOM_SEEDS))
        kept = with_interval(faithfulness(model, circuit, test, scale=scale) for circuit in drawn)
        rows.append(_row("discovery", name, f"random, {size} edges", "faithfulness", kept))
    return rows


def head_rows(model, name: str) -> list[dict[str, object]]:
    """How far the names of heads agree on other facts and in other words, and as far as chance within layers would."""
    frame = classify_heads(model, worded_pairs(model, name))
    first, rows = list(frame["class"]), []
    for wording in AGAIN:
        again = list(classify_heads(model, worded_pairs(model, name, wording))["class"])
        chance = [agreement(first, shuffled(again, list(frame.layer), seed)) for seed in range(SHUFFLES)]
        for measure, value in agreement(first, again).items():
            drawn = sum(c[measure] for c in chance) / len(chance)
            rows.append(_row("heads", name, wording, measure, Estimate(value, value, value)))
            rows.append(_row("heads", name, f"{wording}, shuffled", measure, Estimate(drawn, drawn, drawn)))
    return rows


def edit_rows(model) -> pd.DataFrame:
    """A hundred edits by ROME as it was chosen for Atlas, on requests on which nothing was chosen."""
    layer = EDITED_LAYER
    requests = [request for name in ASKED for request in edit_requests(model, name, EDITS, SEED)]
    options = dict(at="last", prefixes=(), wordings=2, covariance=corpus_covariance(model, layer))
    table = evaluate_edits(model, requests, lambda r: rome(model, r, layer, **options), unrelated=(), fluency=False)
    found = edit_summary(table.assign(relation="all"), ["relation", "score", "measure"])
    found = found.assign(bar="edits", setting=found.score + ", " + found.measure, measure="share")
    return found[["bar", "relation", "setting", "measure", "value", "low", "high"]]


def _row(bar: str, relation: str, setting: str, measure: str, value: Estimate) -> dict[str, object]:
    row = dict(bar=bar, relation=relation, setting=setting, measure=measure, value=float(value))
    return row | dict(low=value.low, high=value.high)


def over_relations(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean over relations of each setting and measure, with its interval over relations."""
    groups = rows.groupby(["bar", "setting", "measure"], sort=False)
    return pd.DataFrame([_row(bar, "all", *key, with_interval(part.value)) for (bar, *key), part in groups])


def bars(model, label: str) -> Iterator[pd.DataFrame]:
    """The rows of one model, bar by bar; relations of which it knows too little are left out."""
    names = list(asked_relations())
    for rows_of, chosen in ((discovery_rows, names), (head_rows, names[::WORDING_STEP])):
        rows = []
        for name in tqdm(chosen, desc=f"{label}, {rows_of.__name__}"):
            try:
                rows += rows_of(model, name)
            except TooFewPairs:
                continue
        frame = pd.DataFrame(rows)
        yield pd.concat([over_relations(frame), frame], ignore_index=True).assign(model=label)
    yield edit_rows(model).assign(model=label)


def write_tables(load: Load, write: Write) -> None:
    """Measure both models."""
    write_parts(write, "llama", (part for name in MODELS for part in bars(load(name), name)))
