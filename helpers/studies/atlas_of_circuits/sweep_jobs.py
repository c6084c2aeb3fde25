"""The jobs of a sweep: one search on one set of pairs in one model, with a key made of all that its result depends on.

A job brings its questions as token ids, so whoever computes it needs no more than the model. Two jobs with equal keys
give equal results, whatever names they go by; a changed weight, token or argument makes another key.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import get_args

from helpers.circuits.ablation import Ablation
from helpers.circuits.evaluation import baselines, evaluate_circuit, faithfulness
from helpers.circuits.graph import Circuit, Graph
from helpers.circuits.metrics import HITS, METRICS, mean_metric
from helpers.circuits.random import random_circuit
from helpers.circuits.scores import Scores
from helpers.models.load import WEIGHTS, embedded_models, load_model
from helpers.prompts.pairs import PromptPairs, relation_pairs
from helpers.prompts.relations import Relation
from helpers.searches.acdc import acdc
from helpers.searches.attribution import clean_corrupted, eap, eap_ig
from helpers.searches.edge_pruning import edge_pruning
from helpers.searches.exact import exact_scores

SCHEMA = 1  # one more whenever the code gives another result for the same job: results of other schemas don't count
BASELINES = 3  # random circuits of each kind beside every circuit
GROWTH = 1.1  # between the sizes that are tried where a circuit is to keep a share of the metric
SCORED = {"eap": eap, "eap_ig": eap_ig, "clean_corrupted": clean_corrupted, "exact": exact_scores}
METHODS = (*SCORED, "acdc", "edge_pruning", "random")
DRAWN = ("edge_pruning", "random")  # methods that draw random numbers themselves


class SweepError(Exception):
    """Something that stops a sweep; the message says in a sentence what, and what to do. What is written stays."""


@dataclass(frozen=True)
class Search:
    """A method with its arguments; exactly one of ``share``, ``keep`` and ``tau`` says how large the circuit gets.

    Args:
        share: a share of all edges.
        keep: the fewest edges, by the method's scores, that keep this share of the metric on the train pairs.
        tau: ACDC's threshold, in the metric's unit.
        draw: the seed of a method that draws random numbers.
    """

    method: str
    share: float | None = None
    keep: float | None = None
    tau: float | None = None
    ablation: Ablation = "corrupt"
    metric: str = "logit_diff"
    draw: int | None = None

    @property
    def size_rule(self) -> str:
        """How the size is chosen, in words: ``"share 0.03"``, ``"keep 0.9"`` or ``"tau 0.1"``."""
        return next(f"{n} {v:g}" for n in ("share", "keep", "tau") if (v := getattr(self, n)) is not None)


@dataclass(frozen=True)
class Questions:
    """Pairs of prompts as token ids."""

    clean: tuple[tuple[int, ...], ...]
    corrupt: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    wrong: tuple[int, ...]

    @staticmethod
    def of(pairs: PromptPairs) -> Questions:
        """The token ids of pairs."""
        answers, wrong = (tuple(ids.tolist()) for ids in (pairs.answer_ids, pairs.wrong_ids))
        return Questions(pairs.clean_ids, pairs.corrupt_ids, answers, wrong)

    def pairs(self, model) -> PromptPairs:
        """The pairs for a model."""
        return PromptPairs.from_tokens(model, *(getattr(self, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Job:
    """One circuit to be found on ``train`` and judged on ``test``.

    ``labels`` name its row in the table; neither they nor ``source``, what `load_model` takes, are part of the key.
    """

    labels: Mapping[str, object]
    source: str
    weights: str  # their digest
    search: Search
    train: Questions
    test: Questions

    @property
    def key(self) -> str:
        """The digest of all that the result depends on."""
        parts = {"schema": SCHEMA, "weights": self.weights}
        return digest(parts | {name: asdict(getattr(self, name)) for name in ("search", "train", "test")})


def labels_of(model: str, asked: Relation, seed: int, search: Search) -> dict[str, object]:
    """What names a circuit in the table; the seed says which train pairs were drawn."""
    labels = {"model": model, "relation": asked.name, "kind": asked.kind, "method": search.method}
    return labels | {"size": search.size_rule, "seed": seed, "ablation": search.ablation, "metric": search.metric}


def digest(parts: object) -> str:
    """A digest of something that JSON can hold: 32 hexadecimal digits, the same on every machine."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def weights_digest(model) -> str:
    """A digest of a model's weights and of its configuration, whatever folder or name it came from."""
    original = model.original_model
    config = {k: v for k, v in original.config.to_dict().items() if k[0] != "_" and k != "transformers_version"}
    total = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(original.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:32]


def loaded(source: str) -> tuple[object, str]:
    """A model and its digest; kept in memory until its files change."""
    folder = WEIGHTS / source if source in embedded_models() else Path(source)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return _loaded(source, tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files))


@lru_cache(maxsize=2)
def _loaded(source: str, files: tuple) -> tuple[object, str]:
    model = load_model(source)
    return model, weights_digest(model)


def prepare(task: tuple[str, Relation, int, int, int]) -> tuple[str, dict[int, tuple[Questions, Questions] | str]]:
    """The questions of a relation for each seed, or the reason why there are none.

    Args:
        task: what `load_model` takes, the relation, how many seeds, train pairs and test pairs. Seeds draw other train
            pairs; the test pairs are always the same.

    Returns:
        The digest of the weights; for each seed train and test questions, or a sentence.
    """
    source, asked, seeds, n_train, n_test = task
    model, weights = loaded(source)
    try:
        test = Questions.of(relation_pairs(model, asked, n_test, split="test"))
        drawn = [relation_pairs(model, asked, n_train, seed=seed) for seed in range(seeds)]
    except ValueError as error:
        return weights, dict.fromkeys(range(seeds), str(error))
    return weights, {seed: (Questions.of(train), test) for seed, train in enumerate(drawn)}


def compute(job: Job) -> dict[str, object]:
    """Find the circuit and evaluate_circuit it.

    Returns:
        ``measured`` (numbers by name), the digest of the ``weights``, and ``graph`` and ``edges`` as in `Circuit.save`.

    Raises:
        ValueError: if the model that goes by this name here isn't the job's.
    """
    model, weights = loaded(job.source)
    if weights != job.weights:
        raise ValueError(f"the model {job.source!r} has other weights here than where the sweep was planned")
    train, test = job.train.pairs(model), job.test.pairs(model)
    circuit = find(model, train, job.search)
    measured = measure(model, circuit, test, job.search)
    return {"weights": weights, "measured": measured, "graph": asdict(circuit.graph), "edges": circuit.edges}


def find(model, train: PromptPairs, search: Search) -> Circuit:
    """The circuit that a search gives on train pairs."""
    graph, metric = Graph.from_model(model), METRICS[search.metric]
    common = {"ablation": search.ablation}
    if search.method == "acdc":
        return acdc(model, train, metric, tau=search.tau, **common)
    n = None if search.share is None else max(1, int(search.share * graph.n_edges))
    if search.method == "random":
        return random_circuit(graph, n, search.draw)
    if search.method == "edge_pruning":
        return edge_pruning(model, train, metric, n_edges=n, seed=search.draw, **common).top(n)
    scores = SCORED[search.method](model, train, metric, **common)
    return scores.greedy(n) if n else smallest(model, scores, train, search)


def smallest(model, scores: Scores, train: PromptPairs, search: Search) -> Circuit:
    """The smallest circuit of a ranking that keeps ``search.keep`` of the metric, found by halving intervals.

    Sizes grow by a tenth; where faithfulness falls and rises again, it is one of the sizes at which it crosses.
    """
    metric, total, sizes = METRICS[search.metric], scores.graph.n_edges, [1]
    while sizes[-1] < total:
        sizes.append(min(total, max(sizes[-1] + 1, int(GROWTH * sizes[-1]))))
    scale = baselines(model, train, metric, search.ablation)
    kept = partial(faithfulness, model, pairs=train, metric=metric, ablation=search.ablation, scale=scale)
    place = bisect_left(sizes, search.keep, hi=len(sizes) - 1, key=lambda n: kept(scores.greedy(n)))
    return scores.greedy(sizes[place])


def measure(model, circuit: Circuit, test: PromptPairs, search: Search) -> dict[str, float]:
    """A circuit on held-out pairs, beside random circuits of its size, and of its shape with other heads."""
    graph, metric = circuit.graph, METRICS[search.metric]
    scale = baselines(model, test, metric, search.ablation)
    own = evaluate_circuit(model, circuit, test, scale, metric=metric, ablation=search.ablation)
    row = {"edges": circuit.n_edges, "share": circuit.n_edges / graph.n_edges, **own}
    row |= {f"model_{name}": mean_metric(hit, test.reference, test) for name, hit in HITS.items()}
    for name, options in (("random", {"n": circuit.n_edges}), ("relabelled", {"like": circuit})):
        drawn = [random_circuit(graph, seed=seed, **options) for seed in range(BASELINES)]
        kept = [faithfulness(model, c, test, metric, ablation=search.ablation, scale=scale) for c in drawn]
        row[f"{name}_faithfulness"] = sum(kept) / BASELINES
    return row | {"test_pairs": len(test), "test_facts": len(set(test.clean_ids))}


def searches(
    methods: Sequence[str],
    seed: int,
    *,
    shares: Sequence[float] = (0.03,),
    keep: Sequence[float] = (),
    taus: Sequence[float] = (0.1,),
    ablation: Ablation = "corrupt",
    metric: str = "logit_diff",
) -> list[Search]:
    """The searches of some methods: one for each share of edges and, where a method has scores, for each ``keep``.

    Raises:
        ValueError: for an unknown method, metric or ablation (the message lists the choices), or an impossible size.
    """
    options = [("method", method, METHODS) for method in methods]
    options += [("metric", metric, tuple(METRICS)), ("ablation", ablation, get_args(Ablation))]
    for what, name, known in options:
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}; choose from {', '.join(known)}")
    wrong = [size for size in (*shares, *keep) if not 0 < size <= 1]
    if wrong:
        raise ValueError(f"a size is a share, more than 0 and at most 1, not {wrong[0]:g}")
    if min(taus, default=1) <= 0:
        raise ValueError(f"tau must be greater than 0, not {min(taus):g}")
    rules = [("share", value) for value in shares], [("keep", value) for value in keep], [("tau", t) for t in taus]
    chosen = []
    for method in methods:
        fitting = rules[2] if method == "acdc" else rules[0] + (rules[1] if method in SCORED else [])
        draw = seed if method in DRAWN else None
        chosen += [Search(method, ablation=ablation, metric=metric, draw=draw, **dict([rule])) for rule in fitting]
    return chosen
