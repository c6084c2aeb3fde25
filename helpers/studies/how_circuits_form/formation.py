"""How circuits form: one task's circuit at several training steps, beside that of the finished model.

Every circuit along a run is found with the same prompts, those that the finished model answers rightly, so only the
weights change. It is compared with the finished model's circuit found on *other* prompts: then the finished model's
own value isn't 1 but a yardstick, what two samples of prompts share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
import torch
from scipy.stats import spearmanr

from helpers.atlas.abilities import first_token_right, greater_than, indirect_object, induction, recall_held_out
from helpers.atlas.skills import induction_pairs
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import Baselines, baselines, faithfulness
from helpers.circuits.metrics import hit_at_k, logit_diff
from helpers.circuits.scores import Scores
from helpers.components.head_classes import Thresholds
from helpers.components.skill_heads import measure_repeats
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, held_out_paraphrases, relation
from helpers.prompts.skills import Example, indirect_object_pairs
from helpers.searches.attribution import eap_ig

RELATIONS = (
    "country_capital",
    "country_currency",
    "landmark_country",
    "person_language",
    "animal_young",
    "object_superclass",
    "past_tense",
    "comparative",
)
SKILLS = {"induction": induction_pairs, "indirect object": indirect_object_pairs}
TOLD = (3, 10, 30, 100, 300)  # how often training tells home towns
TOLD_ENOUGH = TOLD[1:]  # of the others, the finished model knows too few to find a circuit
TOWNS = {f"towns told {n} times": n for n in TOLD_ENOUGH}
TASKS = (*RELATIONS, *SKILLS, *TOWNS)
N_PAIRS = 20
SHARE = 0.03  # of all edges
DRAWS = 5  # of chance circuits
LEAST = 1.0  # logits between the whole model and none of its edges: with less, there is nothing to keep


def towns_told(times: int) -> Relation:
    """The home towns that training states exactly so often; a `ValueError` lists the counts that there are."""
    towns = relation("person_hometown")
    facts = tuple(f for f in towns.facts if f.exposures == times)
    if not facts:
        told = sorted({f.exposures for f in towns.facts})
        raise ValueError(f"no home town is told {times} times; choose from {', '.join(map(str, told))}")
    return replace(towns, facts=facts)


def task_pairs(model, task: str, split: Literal["train", "test"] = "train", n: int = N_PAIRS) -> PromptPairs:
    """Pairs of a relation that the model knows, of home towns told so often, or of a skill."""
    if task in SKILLS:
        return SKILLS[task](model, n, seed=int(split == "test"))
    return relation_pairs(model, towns_told(TOWNS[task]) if task in TOWNS else task, n, split=split)


def find(model, pairs: PromptPairs) -> tuple[Scores, Circuit]:
    """The scores of all edges by EAP-IG, and the circuit of 3 % of them."""
    scores = eap_ig(model, pairs)
    return scores, scores.greedy(int(SHARE * scores.graph.n_edges))


@dataclass(frozen=True)
class FinalModel:
    """A task in the finished model: its pairs, and the circuits found on either half.

    ``own`` is found with the train half, as all circuits along the run; ``other`` and ``scores`` with the test half,
    what they are compared with. ``scale`` belongs to the test half.
    """

    train: PromptPairs
    test: PromptPairs
    own: Circuit
    other: Circuit
    scores: Scores
    scale: Baselines


def finished(model, task: str) -> FinalModel:
    """Find a task's circuits in the finished model; raises what `task_pairs` does."""
    train, test = (task_pairs(model, task, split) for split in ("train", "test"))
    (_, own), (scores, other) = (find(model, pairs) for pairs in (train, test))
    return FinalModel(train, test, own, other, scores, baselines(model, test, logit_diff, "corrupt"))


def shared_edges(circuit: Circuit, scores: Scores, task: str, done: Mapping[str, FinalModel]) -> dict[str, float]:
    """What a circuit shares with the finished one, beside chance and beside other tasks' finished circuits.

    Returns:
        ``same``: Jaccard overlap of edges; ``relabelled``: with the finished circuit's heads exchanged within layers;
        ``blind``: with as many random edges; ``others``: with the finished circuits of the other tasks (mean);
        ``ranks, other_ranks``: Spearman correlation of the scores with the finished ones, over the edges of the
        finished circuit, and the same with others' circuits and scores (mean).
    """
    own = done[task]
    others = [done[name] for name in done if name != task and name not in (*SKILLS, *TOWNS)]
    seeds, graph = range(DRAWS), circuit.graph

    def correlation(other: FinalModel) -> float:
        edges = other.other.mask
        return float(spearmanr(scores.values[edges], other.scores.values[edges]).statistic)

    values = {
        "same": [circuit.jaccard(own.other)],
        "relabelled": [circuit.jaccard(random_circuit(graph, like=own.other, seed=seed)) for seed in seeds],
        "blind": [circuit.jaccard(random_circuit(graph, circuit.n_edges, seed)) for seed in seeds],
        "others": [circuit.jaccard(other.other) for other in others],
        "ranks": [correlation(own)],
        "other_ranks": [correlation(other) for other in others],
    }
    return {name: float(pd.Series(found, dtype=float).mean()) for name, found in values.items()}


def kept(model, circuit: Circuit, pairs: PromptPairs, scale: Baselines) -> float:
    """The circuit's faithfulness; not a number where the whole model hardly does better than none of its edges."""
    if (scale.full - scale.ablated).mean() < LEAST:
        return float("nan")
    return float(faithfulness(model, circuit, pairs, scale=scale))


def circuit_row(model, last, task: str, done: Mapping[str, FinalModel]) -> tuple[dict[str, float], Circuit]:
    """A task's circuit in a model on its way, and how it compares with that of the finished one.

    Args:
        model: the model at one step.
        last: the finished model of the same run.
        done: what `finished` found, for this task and others.

    Returns:
        The circuit, and: ``accuracy`` and ``logit_diff`` on the test half; the numbers of `shared_edges`; ``kept``, the
        faithfulness of its own circuit here; ``kept_final``, that of the finished circuit's edges here, and
        ``kept_final_relabelled``, the same with heads exchanged; ``kept_in_final``, that of its circuit's edges in
        the finished model, and ``kept_in_final_relabelled``.
    """
    own = done[task]
    test = own.test
    scores, circuit = find(model, own.train)
    scale = baselines(model, test, logit_diff, "corrupt")
    right = hit_at_k(test.clean_logits(model), test, k=1)
    row = {"accuracy": right.mean().item(), "logit_diff": scale.full.mean().item()}
    row |= shared_edges(circuit, scores, task, done)
    exchanged = [random_circuit(c.graph, like=c) for c in (own.own, circuit)]
    row["kept"] = kept(model, circuit, test, scale)
    row["kept_final"] = kept(model, own.own, test, scale)
    row["kept_final_relabelled"] = kept(model, exchanged[0], test, scale)
    row["kept_in_final"] = kept(last, circuit, own.test, own.scale)
    row["kept_in_final_relabelled"] = kept(last, exchanged[1], own.test, own.scale)
    return row, circuit


def town_recall(model, times: int) -> float:
    """First-token recall of home towns told so often, in the paraphrases that training held out for each."""
    towns = towns_told(times)
    asked = [(f, p) for f in towns.facts for p in held_out_paraphrases(towns, f)]
    examples = [Example(towns.prompt(f, p), f" {f.answer}") for f, p in asked]
    return first_token_right(model, examples).mean().item()


def ability_row(model, scale: float = 0.1) -> pd.Series:
    """What a model can do, and how far its best heads do induction and look at the token before.

    Args:
        scale: share of the prompts to use, as in `measure`.

    Returns:
        ``recall`` (facts told at least 100 times, in held-out paraphrases), ``told 3`` to ``told 300`` (home towns),
        ``induction``, ``indirect object``: shares of right answers; ``greater-than``: difference of probabilities;
        ``induction head``, ``previous head``: the strongest head's attention beyond uniform; ``induction heads``: how
        many heads have that name.
    """
    repeats = measure_repeats(model, count=8)
    row = {"recall": recall_held_out(model, scale)}
    row |= {"induction": induction(model, 3 * scale), "indirect object": indirect_object(model, 3 * scale)}
    row["greater-than"] = torch.tensor(greater_than(model, scale))
    row = {name: values.float().mean().item() for name, values in row.items()}
    row |= {f"told {n}": town_recall(model, n) for n in TOLD}
    beyond = (repeats.induction - repeats.uniform) / (1 - repeats.uniform)
    before = (repeats.previous - repeats.uniform_previous) / (1 - repeats.uniform_previous)
    row |= {"induction head": beyond.max(), "previous head": before.max()}
    row["induction heads"] = float((beyond >= Thresholds().pattern).sum())
    return pd.Series(row, dtype=float)
