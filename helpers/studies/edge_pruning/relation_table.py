"""Circuits of many relations, judged on held-out subjects, by two methods: the tables ``relations`` and ``acdc``."""

from __future__ import annotations

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.wordings import asked_relations
from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import random_circuit
from helpers.circuits.evaluation import baselines, evaluate_circuit
from helpers.circuits.metrics import HITS, logit_diff, match_nll
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation
from helpers.searches.acdc import acdc
from helpers.searches.attribution import find_circuit
from helpers.studies.tables import Load, Write

PAIRS = {"train": 20, "test": 40}
RANDOM_SEEDS = 10
TAU = 0.05  # nats of the answer token; see the chapter on edge pruning for how it compares with the paper's


def both_halves(model, name: str) -> dict[str, PromptPairs]:
    """Train and test pairs of a relation, as many as the tables use."""
    return {split: relation_pairs(model, name, n, split=split) for split, n in PAIRS.items()}


def relation_row(model, name: str) -> dict[str, object]:
    """The circuit of one relation: found on the train half, judged on the test half beside circuits by chance."""
    pairs = both_halves(model, name)
    test = pairs["test"]
    scale = baselines(model, test, logit_diff, "corrupt")
    circuit = find_circuit(model, pairs["train"])
    row: dict[str, object] = {"relation": name, "kind": relation(name).kind, "edges": circuit.n_edges}
    row |= evaluate_circuit(model, circuit, test, scale)
    row |= {f"model_{hit}": metric(test.clean_logits(model), test).mean().item() for hit, metric in HITS.items()}
    for baseline, options in (("random", {"n": circuit.n_edges}), ("relabelled", {"like": circuit})):
        drawn = [random_circuit(circuit.graph, seed=seed, **options) for seed in range(RANDOM_SEEDS)]
        rows = [evaluate_circuit(model, c, test, scale) for c in drawn]
        for key in ("faithfulness", "hit1", "hit10"):
            row[f"{baseline}_{key}"] = sum(r[key] for r in rows) / len(rows)
        row[f"{baseline}_best"] = max(r["faithfulness"] for r in rows)
    return row


def paper_row(model, name: str) -> dict[str, object]:
    """The paper's method (arXiv 2405.17969): ACDC with zero ablation on match-NLL, judged on both halves."""
    pairs = both_halves(model, name)
    circuit = acdc(model, pairs["train"], match_nll, tau=TAU, ablation="zero")
    row: dict[str, object] = {"relation": name, "kind": relation(name).kind, "edges": circuit.n_edges}
    chance = random_circuit(circuit.graph, circuit.n_edges)
    for half, split in (("val", "train"), ("test", "test")):
        part = pairs[split]
        for column, kept in (("circuit", circuit), ("random", chance)):
            logits = run_circuit(model, kept, part, "zero")
            row |= {f"{half}_{column}_{hit}": metric(logits, part).mean().item() for hit, metric in HITS.items()}
        whole = part.clean_logits(model)
        row |= {f"{half}_model_{hit}": metric(whole, part).mean().item() for hit, metric in HITS.items()}
    return row


def write_tables(load: Load, write: Write) -> None:
    """Find and judge a circuit of each relation, in two ways."""
    for table, row, name in (("relations", relation_row, "atlas"), ("acdc", paper_row, "atlas2")):
        model = load(name)
        write(table, pd.DataFrame([row(model, asked) for asked in tqdm(asked_relations())]))
