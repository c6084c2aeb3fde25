"""SmolLM2's circuits of indirect objects, searched with two contrasts: the size is chosen on other pairs than judge."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from helpers.atlas.skills import indirect_object_pairs
from helpers.circuits.circuit import Circuit, heads_of, random_circuit
from helpers.circuits.evaluation import baselines, faithfulness
from helpers.circuits.graph import Graph
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig
from helpers.statistics import Estimate
from helpers.studies.other_names import other_names_pairs
from helpers.studies.tables import Load, Write, write_parts

SIZES = (20, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)
TRAIN, CHECK, TEST = 20, 12, 24  # pairs that a search sees, that choose the size, that judge
SWAP, NAMES = "who gives", "all names"  # what the corrupt prompts change
FEW = 400  # edges of a second circuit of all names, as readable as those of other chapters


def contrast_pairs(model, contrast: str) -> dict[str, PromptPairs]:
    """The pairs of one contrast by use; train and check share no prompt, and test has pairs of names of its own."""
    draws = {"train": (TRAIN, 0, "train"), "check": (CHECK, 1, "train"), "test": (TEST, 0, "test")}
    if contrast == SWAP:
        return {use: indirect_object_pairs(model, n, seed, split) for use, (n, seed, split) in draws.items()}
    return {use: other_names_pairs(model, n, split, seed) for use, (n, seed, split) in draws.items()}


def circuit_rows(model) -> Iterator[pd.DataFrame]:
    """Faithfulness by size on check pairs; then the chosen circuits, their union and opponents on test pairs.

    The size is the one whose faithfulness on the check pairs of its own contrast is nearest to 1.
    """
    pairs = {contrast: contrast_pairs(model, contrast) for contrast in (SWAP, NAMES)}
    chosen: dict[str, Circuit] = {}
    readable = {}
    for contrast, parts in pairs.items():
        scores, scale = eap_ig(model, parts["train"]), baselines(model, parts["check"])
        rows = []
        for size in SIZES:
            circuit = scores.greedy(size)
            kept = faithfulness(model, circuit, parts["check"], scale=scale)
            rows.append(_row("check", contrast, contrast, circuit, kept))
            if abs(kept - 1) <= min(abs(row["faithfulness"] - 1) for row in rows):
                chosen[contrast] = circuit
        readable[contrast] = scores.greedy(FEW)
        yield pd.DataFrame(rows)
    graph = Graph.from_model(model)
    judged = chosen | {"both": chosen[SWAP] | chosen[NAMES], f"{NAMES}, {FEW} edges": readable[NAMES]}
    judged["both, few edges"] = chosen[SWAP] | readable[NAMES]
    judged["head-permuted"] = random_circuit(graph, like=judged["both"])
    judged["random"] = random_circuit(graph, judged["both"].n_edges)
    for contrast, parts in pairs.items():
        scale = baselines(model, parts["test"])
        kept = {name: faithfulness(model, circuit, parts["test"], scale=scale) for name, circuit in judged.items()}
        yield pd.DataFrame([_row("test", name, contrast, judged[name], value) for name, value in kept.items()])


def _row(use: str, searched: str, contrast: str, circuit: Circuit, kept: Estimate) -> dict[str, object]:
    heads = " ".join(heads_of(circuit)) if use == "test" and circuit.n_edges <= 500 else ""
    row = dict(use=use, searched=searched, judged=contrast, edges=circuit.n_edges)
    return row | dict(faithfulness=float(kept), low=kept.low, high=kept.high, heads=heads)


def write_tables(load: Load, write: Write) -> None:
    """Search with both contrasts, choose sizes, judge."""
    write_parts(write, "indirect_circuits", circuit_rows(load("smollm2")))
