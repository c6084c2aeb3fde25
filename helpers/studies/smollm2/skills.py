"""The three classic circuits in SmolLM2: indirect objects, induction, greater-than; judged on new prompts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pandas as pd
import torch

from helpers.atlas.skills import EVENTS, indirect_object_pairs, induction_pairs
from helpers.circuits.ablation import run_circuits
from helpers.circuits.circuit import random_circuit
from helpers.circuits.evaluation import baselines, cut_effect, edges_from
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.predict import answer_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, stable_hash
from helpers.searches.attribution import eap_ig
from helpers.studies.other_names import other_names_pairs
from helpers.studies.smollm2.circuits import COMPARED, SIZES, judged
from helpers.studies.tables import Load, Write, write_parts

TRAIN, TEST, SOURCES = 20, 30, 8
LASTED = "The {event} lasted from the year {century}{decade}{year} to the year {century}"
DECADES = range(2, 8)


def next_digit_pairs(model, n: int, split: Split) -> PromptPairs:
    """Greater-than (arXiv 2305.00586) for a tokenizer that writes digit by digit: which decade may an event end in?

    The clean prompt's event begins in the twenties to the seventies, the corrupt one's in the year 01. The answer is a
    later decade, the wrong one an earlier one.
    """
    rng = random.Random(stable_hash("next digit", split))
    rows = []
    for i in range(n):
        event, century, decade = rng.choice(EVENTS[split]), rng.randint(11, 19), DECADES[i % len(DECADES)]
        begins = (decade, rng.randint(1, 9)), (0, 1)
        prompts = (LASTED.format(event=event, century=century, decade=d, year=y) for d, y in begins)
        rows.append((*prompts, str(rng.randint(decade + 1, 9)), str(rng.randint(0, decade - 1))))
    return PromptPairs.from_prompts(model, *(list(column) for column in zip(*rows, strict=True)))


# (skill, what the corrupt prompts change) -> pairs of one half
SKILLS: dict[tuple[str, str], Callable[..., PromptPairs]] = {
    ("indirect_objects", "who gives"): lambda model, n, split: indirect_object_pairs(model, n, split=split),
    ("indirect_objects", "all names"): other_names_pairs,
    ("induction", "one token"): lambda model, n, split: induction_pairs(model, n, seed=("train", "test").index(split)),
    ("greater_than", "first year"): next_digit_pairs,
}


def skill_rows(model, skill: str, contrast: str) -> Iterator[pd.DataFrame]:
    """A skill's circuits on new prompts; and its strongest sources, each cut alone.

    Yields:
        ``circuit, edges, faithfulness, low, high, hit1, hit10`` by size, with random edges and permuted heads; then
        ``source, effect, low, high``: by how many logits the difference falls when all edges out of a source are cut.
    """
    train, test = (SKILLS[skill, contrast](model, n, half) for n, half in ((TRAIN, "train"), (TEST, "test")))
    scale, scores = baselines(model, test, logit_diff, "corrupt"), eap_ig(model, train)
    own = dict(skill=skill, contrast=contrast, model_diff=scale.full.mean().item())
    chosen = {size: scores.greedy(size) for size in SIZES}
    rows = [own | judged(model, circuit, test, scale, "found") for circuit in chosen.values()]
    opponents = {
        "random": random_circuit(scores.graph, COMPARED),
        "permuted heads": random_circuit(scores.graph, like=chosen[COMPARED]),
    }
    rows += [own | judged(model, circuit, test, scale, who) for who, circuit in opponents.items()]
    yield pd.DataFrame(rows)
    attributed = scores.values.clamp_min(0).sum(0)
    effects = []
    for place in attributed.topk(SOURCES + 1).indices.tolist():
        source = scores.graph.sources[place]
        if source != "embed":
            fall = cut_effect(model, test, edges_from(scores.graph, [source]))
            effects.append(own | dict(source=source, effect=float(fall), low=fall.low, high=fall.high))
    yield pd.DataFrame(effects)


def digit_rows(model) -> pd.DataFrame:
    """How much likelier later decades are than the others, by the decade asked about: the model, and its circuit."""
    train, test = (next_digit_pairs(model, n, half) for n, half in ((TRAIN, "train"), (10 * len(DECADES), "test")))
    circuit, graph = eap_ig(model, train).greedy(COMPARED), Graph.from_model(model)
    runs = {"whole model": graph.n_edges, "circuit": COMPARED, "random": COMPARED}
    logits = run_circuits(model, [circuit, random_circuit(graph, COMPARED)], test, "corrupt", whole=True)
    digits = [answer_ids(model.tokenizer, test.clean[0], str(digit))[0] for digit in range(10)]
    likely, rows = logits.softmax(-1)[..., digits], []
    for first, decade in enumerate(DECADES):  # the pairs go through the decades in turn
        sign = torch.where(torch.arange(10) > decade, 1.0, -1.0)
        differences = (likely[:, first :: len(DECADES)] * sign).sum(-1)
        for (run, edges), values in zip(runs.items(), differences, strict=True):
            row = dict(decade=decade, run=run, edges=edges, prompts=len(values))
            rows.append(row | dict(difference=values.mean().item(), spread=values.std().item()))
    return pd.DataFrame(rows)


def write_tables(load: Load, write: Write) -> None:
    """Find and judge the three circuits."""
    model = load("smollm2")
    parts = [list(skill_rows(model, *asked)) for asked in SKILLS]
    write("smollm2_digits", digit_rows(model))
    for name, tables in zip(("smollm2_skills", "smollm2_skill_sources"), zip(*parts, strict=True), strict=True):
        write_parts(write, name, tables)
