"""The tables of the chapter on competition: repeated sentences, predicted and steered conflicts, scaled heads."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.searches.attribution import find_circuit
from helpers.studies.competition.competition import predict_winner, steer_between
from helpers.studies.competition.conflicts import KnowledgeConflicts, fact_conflicts
from helpers.studies.competition.scaled_heads import scaled_rows
from helpers.studies.competition.sentences import dose_table, sentence_conflicts
from helpers.studies.tables import Load, Write, write_parts

DOSED = ("country_capital", "country_language", "landmark_country", "antonym", "person_occupation")
CONFLICTS = {
    "atlas2": ("country_capital", "country_language", "landmark_country"),
    "atlas2-seed1": ("country_capital", "country_language", "landmark_country"),
    "smollm2": ("country_capital", "antonym"),
}
SHARES = {"smollm2": 0.01}  # of all edges; 3 % of Atlas's
TRIED = {"smollm2": (1, 2, 3)}  # how often the sentence is told; for Atlas, how many random tokens are repeated
RANDOM_TOKENS = (2, 4, 8, 16, 32)
TRAIN, TEST, DRAWS = 24, 60, 4
STEERED = ("found", "permuted 0", "permuted 1", "random")
Circuits = tuple[Circuit, Circuit]  # of the memory and of the copy


def conflicts(model, name: str, relation: str, dose: int, split: str) -> KnowledgeConflicts:
    """Conflicts of one relation with one dose, each subject once: sentences for SmolLM2, random tokens for Atlas."""
    n = TRAIN if split == "train" else TEST
    if name == "smollm2":
        return sentence_conflicts(model, relation, n, times=dose, split=split)
    made = fact_conflicts(model, relation, n, repeated=[dose], split=split)
    return made.select((~made.about.subject.duplicated()).to_numpy().nonzero()[0].tolist())


def even_dose(model, name: str, relation: str) -> int:
    """The dose at which memory and copy are most nearly an even match, among conflicts of the training half."""

    def unevenness(dose: int) -> float:
        pairs = conflicts(model, name, relation, dose, "train").both
        return abs((logit_diff(pairs.clean_logits(model), pairs) > 0).double().mean().item() - 0.5)

    return min(TRIED.get(name, RANDOM_TOKENS), key=unevenness)


def rivals_of(graph: Graph, circuits: Circuits) -> dict[str, Circuits]:
    """What two circuits are judged beside: draws with their heads permuted, as many random edges, and all edges."""
    draws = {
        f"permuted {s}": tuple(random_circuit(graph, seed=2 * s + i, like=c) for i, c in enumerate(circuits))
        for s in range(DRAWS)
    }
    blind = tuple(random_circuit(graph, c.n_edges, seed=i) for i, c in enumerate(circuits))
    return {"found": circuits} | draws | {"random": blind, "whole": (Circuit.full(graph), Circuit.full(graph))}


def outcomes(model, test: KnowledgeConflicts, rivals: Mapping[str, Circuits]) -> pd.DataFrame:
    """Each conflict's measured logit difference, all predictions of it, and what steering makes of it.

    Columns: ``subject, measured, start``, one for each pair of circuits with its prediction, and one with each side of
    a steered pair turned up (``found > memory``: the memory circuit carries double, the copy circuit nothing).
    """
    table = pd.DataFrame({"subject": test.about.subject.to_numpy()})
    for name, two in rivals.items():
        predicted = predict_winner(model, test, *two)
        table[["measured", "start"]] = predicted[["measured", "start"]]
        table[name] = predicted.predicted
    for name in STEERED:
        gaps = steer_between(model, test.both, *rivals[name], (-1.0, 1.0))
        table[f"{name} > copy"], table[f"{name} > memory"] = gaps.tolist()
    return table


def job_row(model, test: KnowledgeConflicts, circuits: Circuits, rivals: Mapping[str, Circuits]) -> dict[str, object]:
    """How far each circuit does its own job and the other's, and how much of it other circuits share."""
    row = dict(edges=circuits[0].n_edges, shared=circuits[0].jaccard(circuits[1]))
    for name, circuit in zip(("memory", "copy"), circuits, strict=True):
        for job, pairs in (("memory", test.first), ("copy", test.second)):
            row[f"{name} circuit, {job}"] = float(faithfulness(model, circuit, pairs))
    drawn = [two for name, two in rivals.items() if name.startswith("permuted")]
    kept = [one.jaccard(other) for two in drawn for one, other in zip(circuits, two, strict=True)]
    return row | {"shared with permuted": sum(kept) / len(kept)}


def all_of(model, name: str, relation: str) -> dict[str, pd.DataFrame]:
    """The parts of all tables about one relation of one model."""
    dose = even_dose(model, name, relation)
    train, test = (conflicts(model, name, relation, dose, split) for split in ("train", "test"))
    circuits = tuple(find_circuit(model, pairs, SHARES.get(name, 0.03)) for pairs in (train.first, train.second))
    rivals = rivals_of(circuits[0].graph, circuits)
    row = dict(model=name, relation=relation, dose=dose)
    return {
        "competition_circuits": pd.DataFrame([row | job_row(model, test, circuits, rivals)]),
        "competition": outcomes(model, test, rivals).assign(**row),
        "competition_heads": pd.DataFrame(scaled_rows(model, train, test)).assign(**row),
    }


def write_tables(load: Load, write: Write) -> None:
    """Tell SmolLM2 false sentences; then predict and steer conflicts of all models."""
    write_parts(write, "competition_dose", [dose_table(load("smollm2"), "smollm2", DOSED)])
    done: dict[str, list[pd.DataFrame]] = {}
    for name, relations in CONFLICTS.items():
        model = load(name)
        for relation in relations:
            for table, part in all_of(model, name, relation).items():
                done.setdefault(table, []).append(part)
                write(table, pd.concat(done[table], ignore_index=True))
