"""The jobs of a sweep: one search on one set of pairs in one model, with a key made of all that its result depends on.

A job brings its pairs as token ids, so whoever computes it needs no more than the model. Two jobs with equal keys
give equal results, whatever names they go by; a changed weight, token or argument makes another key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from helpers.circuits.ablation import Ablation
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import baselines, evaluate_circuit, faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import HITS, kl, logit_diff, match_nll, prob_diff
from helpers.models.load import embedded_models
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation
from helpers.searches.acdc import acdc
from helpers.searches.attribution import clean_corrupted, eap, eap_ig
from helpers.searches.edge_pruning import edge_pruning
from helpers.searches.exact import exact_scores
from helpers.studies.atlas_of_circuits.choices import smallest_circuit
from helpers.studies.atlas_of_circuits.loaded import load_once

SCHEMA = 1  # one more whenever the code gives another result for the same job: results of other schemas don't count
DRAWS = 3  # random circuits of each kind that every circuit is compared with
METRICS = {metric.__name__: metric for metric in (logit_diff, prob_diff, match_nll, kl)}
SCORED = {"eap": eap, "eap_ig": eap_ig, "clean_corrupted": clean_corrupted, "exact": exact_scores}
METHODS = dict.fromkeys(SCORED, ("share", "keep")) | {"acdc": ("tau",), "edge_pruning": ("share",)}  # and their sizes


@dataclass(frozen=True)
class Job:
    """One circuit to be found on ``train`` and judged on ``test``: arguments of `PromptPairs.from_tokens`.

    ``weights`` is a digest; ``search`` a method with its arguments, one of ``share``, ``keep`` and ``tau`` set (see
    `plan`). ``labels`` name the row in the table; neither they nor ``source``, what `load_model` takes, are in the key.
    """

    labels: Mapping[str, object]
    source: str
    weights: str
    search: Mapping[str, object]
    train: Mapping[str, Sequence]
    test: Mapping[str, Sequence]

    @property
    def key(self) -> str:
        """The digest of all that the result depends on."""
        parts = {"schema": SCHEMA, "weights": self.weights, "search": self.search}
        return digest(parts | {"train": self.train, "test": self.test})


def digest(parts: object) -> str:
    """A digest of something that JSON can hold: 32 hexadecimal digits, the same on every machine."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def plan(
    models: Sequence[str],
    relations: Sequence[Relation],
    methods: Sequence[str],
    sizes: Mapping[str, Sequence[float]],
    *,
    seeds: int = 1,
    pairs: tuple[int, int] = (20, 40),
    metric: str = "logit_diff",
    ablation: str = "corrupt",
) -> tuple[list[Job], list[dict[str, object]]]:
    """Every combination as a job; a row of the table, with the reason, for each one that can't be asked for.

    Args:
        models: embedded ones, folders or hub names.
        sizes: by ``"share"`` of all edges; by ``"keep"``, the share of the metric on the train pairs that the fewest
            edges by a method's scores are to keep; by ``"tau"``, ACDC's threshold in the metric's unit.
        seeds: how many draws of train pairs; the test pairs are always the same.
        pairs: how many to search with, and how many to judge by.

    Raises:
        ValueError: for an unknown model, method, metric or ablation, an impossible size, or if there is nothing to do.
    """
    options = [*(("method", method, METHODS) for method in methods), ("metric", metric, METRICS)]
    for what, name, known in (*options, ("ablation", ablation, get_args(Ablation))):
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}; choose from {', '.join(known)}")
    searches = [(method, rule, size) for method in methods for rule in METHODS[method] for size in sizes.get(rule, ())]
    if wrong := [f"{rule} {n:g}" for _, rule, n in searches if not 0 < n <= (1, 1e9)[rule == "tau"]]:
        raise ValueError(f"a size is more than 0, and a share at most 1, not {wrong[0]}")
    if seeds < 1 or min(pairs) < 1 or not (models and relations and searches):
        raise ValueError("a sweep needs a model, a relation, a method, a size, a seed and pairs, at least one of each")
    if idle := [method for method in methods if method not in {method for method, _, _ in searches}]:
        raise ValueError(
            f"{idle[0]} has no size: a sweep needs a size ({' or '.join(METHODS[idle[0]])}) for each method"
        )
    jobs, skipped = [], []
    for name, asked in tqdm(list(product(dict.fromkeys(models), relations)), desc="pairs"):
        source = str(Path(name).resolve()) if Path(name).is_dir() and name not in embedded_models() else name
        model, weights = load_once(source)
        reason = {}
        try:
            test = token_ids(relation_pairs(model, asked, pairs[1], split="test"))
            train = [token_ids(relation_pairs(model, asked, pairs[0], seed=seed)) for seed in range(seeds)]
        except ValueError as error:
            reason = {"status": "skipped", "reason": str(error)}
        for seed, (method, rule, size) in product(range(seeds), searches):
            labels = {"model": name, "relation": asked.name, "kind": asked.kind, "method": method}
            labels |= {"size": f"{rule} {size:g}", "seed": seed, "ablation": ablation, "metric": metric}
            search = {"method": method, "metric": metric, "ablation": ablation, "share": None, "keep": None}
            search |= {"tau": None, "draw": seed if method == "edge_pruning" else None, rule: size}
            if reason:
                skipped.append(labels | reason)
            else:
                jobs.append(Job(labels, source, weights, search, train[seed], test))
    return jobs, skipped


def token_ids(pairs: PromptPairs) -> dict[str, Sequence]:
    """Pairs as arguments of `PromptPairs.from_tokens`."""
    answers = {"answers": pairs.answer_ids.tolist(), "wrong": pairs.wrong_ids.tolist()}
    return {"clean": pairs.clean_ids, "corrupt": pairs.corrupt_ids, **answers}


def compute(job: Job) -> dict[str, object]:
    """Find the circuit and measure it: ``measured`` (numbers by name), ``graph`` and ``edges`` as in `Circuit.save`.

    Raises:
        ValueError: if the model that goes by this name here isn't the job's.
    """
    model, weights = load_once(job.source)
    if weights != job.weights:
        raise ValueError(f"the model {job.source!r} has other weights here than where the sweep was planned")
    circuit = find(model, PromptPairs.from_tokens(model, **job.train), job.search)
    measured = measure(model, circuit, PromptPairs.from_tokens(model, **job.test), job.search)
    return {"measured": measured, "graph": asdict(circuit.graph), "edges": circuit.edges}


def find(model, train: PromptPairs, search: Mapping[str, object]) -> Circuit:
    """The circuit that a job's search gives on train pairs."""
    options = {"metric": METRICS[search["metric"]], "ablation": search["ablation"]}
    n = search["share"] and max(1, int(search["share"] * Graph.from_model(model).n_edges))
    if search["method"] == "acdc":
        return acdc(model, train, tau=search["tau"], **options)
    if search["method"] == "edge_pruning":
        return edge_pruning(model, train, n_edges=n, seed=search["draw"], **options).top(n)
    scores = SCORED[search["method"]](model, train, **options)
    return scores.greedy(n) if n else smallest_circuit(model, scores, train, search["keep"], **options)


def measure(model, circuit: Circuit, test: PromptPairs, search: Mapping[str, object]) -> dict[str, float | int]:
    """A circuit on held-out pairs, with random circuits of its size, and of its shape with other heads."""
    options = {"metric": METRICS[search["metric"]], "ablation": search["ablation"]}
    options["scale"] = baselines(model, test, **options)
    row = {"edges": circuit.n_edges, "share": circuit.n_edges / circuit.graph.n_edges}
    row |= evaluate_circuit(model, circuit, test, **options)
    whole = test.clean_logits(model)
    row |= {f"model_{name}": hit(whole, test).mean().item() for name, hit in HITS.items()}
    for name, like in (("random", {"n": circuit.n_edges}), ("relabelled", {"like": circuit})):
        drawn = [random_circuit(circuit.graph, seed=seed, **like) for seed in range(DRAWS)]
        row[f"{name}_faithfulness"] = sum(faithfulness(model, c, test, **options) for c in drawn) / DRAWS
    return row | {"test_pairs": len(test), "test_facts": len(set(test.clean_ids))}
