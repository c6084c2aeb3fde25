"""How circuits form: one task's circuit at several training steps, compared with that of the finished model.

Every circuit along a run is found with the same prompts, those that the finished model answers rightly, so only the
weights change. Its edges are compared with the finished model's circuit found on *other* prompts (then the finished
model's own value isn't 1, but what two samples of prompts share), and they are run in the finished model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from helpers.atlas.abilities import first_token_right
from helpers.atlas.people import TOPICS
from helpers.atlas.skills import Example, induction_pairs
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.metrics import hit_at_k, logit_diff
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, held_out_paraphrases, relation
from helpers.searches.attribution import eap_ig
from helpers.studies.other_circuits import kept_by

WORLD = (
    "country_capital",
    "country_currency",
    "landmark_country",
    "person_language",
    "animal_young",
    "object_superclass",
    "past_tense",
    "comparative",
)
PEOPLE = tuple(topic.name for topic in TOPICS)
RELATIONS = WORLD + PEOPLE
COPYING = tuple(f"copying, draw {n}" for n in range(1, 5))
GROUPS = {"world": WORLD, "people": PEOPLE, "copying": COPYING}
TASKS = RELATIONS + COPYING
TOLD = (3, 10, 30, 100, 300)  # how often training tells home towns
N_PAIRS = 20
SHARE = 0.03  # of all edges
PERMUTED = 3  # draws of head-permuted circuits
LEAST = 1.0  # logits that a model tells right from wrong by: with less, there is nothing that a circuit could keep


def task_pairs(model, task: str, n: int = N_PAIRS) -> tuple[PromptPairs, PromptPairs]:
    """Two halves of a task's pairs: of a relation's facts that the model knows, or two draws of repeated tokens."""
    if task in COPYING:
        seed = 2 * COPYING.index(task)
        return induction_pairs(model, n, seed=seed), induction_pairs(model, n, seed=seed + 1)
    return relation_pairs(model, task, n, split="train"), relation_pairs(model, task, n, split="test")


def find(model, pairs: PromptPairs) -> Circuit:
    """The circuit of 3 % of all edges, by EAP-IG."""
    scores = eap_ig(model, pairs)
    return scores.greedy(int(SHARE * scores.graph.n_edges))


@dataclass(frozen=True)
class FinalModel:
    """A task in the finished model: both halves of its pairs, and the circuits found on either."""

    train: PromptPairs
    test: PromptPairs
    own: Circuit
    other: Circuit


def finished(model, task: str) -> FinalModel:
    """Find a task's circuits in the finished model; raises what `task_pairs` does."""
    train, test = task_pairs(model, task)
    return FinalModel(train, test, find(model, train), find(model, test))


def permuted(circuit: Circuit) -> list[Circuit]:
    """Head-permuted circuits: within each layer, heads have changed places."""
    return [random_circuit(circuit.graph, seed=seed, like=circuit) for seed in range(PERMUTED)]


def mean(values: Sequence[float]) -> float:
    """The mean, or nan of none."""
    return float(pd.Series(values, dtype=float).mean())


def other_task(task: str) -> str:
    """Another task of the same group: the one half of the group away."""
    group = next(names for names in GROUPS.values() if task in names)
    return group[(group.index(task) + len(group) // 2) % len(group)]


def circuit_row(
    model, last, task: str, circuits: Mapping[str, Circuit], done: Mapping[str, FinalModel]
) -> dict[str, float]:
    """A task's circuit in a model on its way, and how it compares with that of the finished one.

    Args:
        model: the model at one step.
        last: the finished model of the same run.
        circuits: of each task, the circuit that `find` finds in ``model`` with its train half.
        done: what `finished` found.

    Returns:
        All of the test half. ``margin``: the logit difference; ``right``: the share of right answers. ``shared``: the
        Jaccard overlap with the finished circuit, and ``shared_permuted``: that of head-permuted ones with it.
        ``in_final``: what the circuit's edges keep of the *finished* model's logit difference; ``in_final_permuted``:
        the same with heads permuted; ``in_final_other``: what the circuit of another task, found at the same step,
        keeps. ``own``, ``final`` and ``final_permuted``: what its own, the finished and head-permuted finished edges
        keep in ``model``, nan where its logit difference is below `LEAST`.
    """
    known, circuit = done[task], circuits[task]
    logits, shuffled = known.test.clean_logits(model), permuted(circuit)
    margin = logit_diff(logits, known.test).mean().item()
    early, other, *chance = kept_by(last, [circuit, circuits[other_task(task)], *shuffled], known.test)
    here = [float("nan")] * (2 + PERMUTED)
    if margin >= LEAST:
        here = kept_by(model, [circuit, known.own, *permuted(known.own)], known.test)
    return {
        "margin": margin,
        "right": hit_at_k(logits, known.test, k=1).mean().item(),
        "shared": circuit.jaccard(known.other),
        "shared_permuted": mean([c.jaccard(known.other) for c in shuffled]),
        "in_final": early,
        "in_final_permuted": mean(chance),
        "in_final_other": other,
        "own": here[0],
        "final": here[1],
        "final_permuted": mean(here[2:]),
    }


def towns_told(times: int) -> Relation:
    """The home towns that training states exactly so often; a `ValueError` lists the counts that there are."""
    towns = relation("person_hometown")
    facts = tuple(f for f in towns.facts if f.exposures == times)
    if not facts:
        told = sorted({f.exposures for f in towns.facts})
        raise ValueError(f"no home town is told {times} times; choose from {', '.join(map(str, told))}")
    return replace(towns, facts=facts)


def town_recall(model, times: int) -> list[float]:
    """For each home town told so often: the share of paraphrases, held out for it in training, that are answered."""
    towns = towns_told(times)
    asked = [(f, p) for f in towns.facts for p in held_out_paraphrases(towns, f)]
    right = first_token_right(model, [Example(towns.prompt(f, p), f" {f.answer}") for f, p in asked])
    return pd.Series(right.tolist()).groupby([f.subject for f, _ in asked]).mean().tolist()
