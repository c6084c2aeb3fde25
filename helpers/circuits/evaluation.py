"""How good a circuit is: faithful, complete, minimal, at which size, and with what spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from jaxtyping import Float
from scipy.integrate import trapezoid
from torch import Tensor

from helpers.circuits.ablation import Ablation, run_circuit
from helpers.circuits.graph import Circuit, Graph
from helpers.circuits.metrics import HITS, Metric, logit_diff, mean_metric, sign_of
from helpers.circuits.scores import Scores
from helpers.models.network import read_network
from helpers.models.predict import logits_after
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap

# The shares of all edges at which the MIB benchmark judges a search (arXiv 2504.13151).
SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Baselines:
    """The metric for each pair in the whole model and with every edge ablated: the scale of faithfulness."""

    full: Float[Tensor, " batch"]
    ablated: Float[Tensor, " batch"]

    def __repr__(self) -> str:
        return f"Baselines({len(self.full)} pairs: whole {self.full.mean():.2f}, ablated {self.ablated.mean():.2f})"


def baselines(model, pairs: PromptPairs, metric: Metric, ablation: Ablation, batch: int | None = None) -> Baselines:
    """Measure both ends of the scale; with corrupted ablation, a run without edges is the corrupt prompt's own."""
    if ablation == "corrupt":
        empty = logits_after(read_network(model), pairs.corrupt_ids, batch=batch)[:, 0]
    else:
        empty = run_circuit(model, Circuit.empty(Graph.from_model(model)), pairs, ablation, batch=batch)
    return Baselines(metric(pairs.reference, pairs).float(), metric(empty, pairs).float())


def recovered(value: Tensor, full: Tensor, ablated: Tensor) -> Tensor:
    """Where a mean metric stands between ablated (0) and full (1)."""
    bottom = ablated.mean(-1)
    return (value.mean(-1) - bottom) / (full.mean(-1) - bottom)


def faithfulness(
    model,
    circuit: Circuit,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    scale: Baselines | None = None,
    batch: int | None = None,
) -> Estimate:
    """The share of the metric that the circuit alone keeps: 1 as the whole model, 0 as with everything ablated.

    Args:
        scale: both ends, if they have been measured already (`baselines`).
    """
    scale = scale or baselines(model, pairs, metric, ablation, batch)
    value = metric(run_circuit(model, circuit, pairs, ablation, batch=batch), pairs).float()
    return bootstrap(recovered, value, scale.full, scale.ablated)


def completeness(model, circuit: Circuit, pairs: PromptPairs, metric: Metric = logit_diff, **options) -> Estimate:
    """What is left when the circuit is knocked out: the faithfulness of all other edges. Near 0 if it is complete."""
    return faithfulness(model, ~circuit, pairs, metric, **options)


@dataclass(frozen=True)
class Curve:
    """Faithfulness over circuit size. ``table`` has columns ``share, edges, faithfulness, low, high``."""

    table: pd.DataFrame
    cpr: float
    cmd: float

    def __repr__(self) -> str:
        return f"Curve({len(self.table)} sizes, CPR {self.cpr:.2f}, CMD {self.cmd:.2f})"


def cpr_cmd(
    model,
    scores: Scores | Callable[[int], Circuit],
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    select: Literal["top", "greedy"] = "top",
    sizes: Sequence[float] = SIZES,
    batch: int | None = None,
) -> Curve:
    """CPR and CMD: the areas under faithfulness, and between it and 1, over the share of edges (arXiv 2504.13151).

    CPR is larger for circuits that perform better (above 1 where they beat the model), CMD smaller for circuits that
    behave more like the model. Trapezoids on a linear axis from the smallest to the largest size, as MIB computes them.

    Args:
        scores: a search's scores, or a function from a number of edges to a circuit (for random ones).
        select: take the best edges, or grow the circuit from the logits.
    """
    if select not in ("top", "greedy"):
        raise ValueError(f"unknown selection {select!r}; choose top or greedy")
    choose = getattr(scores, select) if isinstance(scores, Scores) else scores
    scale, total = baselines(model, pairs, metric, ablation, batch), Graph.from_model(model).n_edges
    options, counts = dict(ablation=ablation, scale=scale, batch=batch), [int(share * total) for share in sizes]
    kept = [faithfulness(model, choose(n), pairs, metric, **options).row() for n in counts]
    rows = [(share, n, *row) for share, n, row in zip(sizes, counts, kept, strict=True)]
    table = pd.DataFrame(rows, columns=["share", "edges", "faithfulness", "low", "high"])
    cpr, cmd = (float(trapezoid(y, table.share)) for y in (table.faithfulness, (1 - table.faithfulness).abs()))
    return Curve(table, cpr, cmd)


def kept_hits(model, circuit: Circuit, pairs: PromptPairs, metric: Metric, **options) -> Estimate:
    """The circuit's mean of a metric over the model's, for example of Hit@1: how much of its recall is kept."""
    runs = run_circuit(model, circuit, pairs, **options), pairs.reference
    value, full = (metric(logits, pairs).float() for logits in runs)
    return bootstrap(lambda v, f: v.mean(-1) / f.mean(-1).clamp_min(1e-9), value, full)


def edges_from(
    graph: Graph, sources: Iterable[str], into: Iterable[str] | None = None, letters: str = "qkv"
) -> list[str]:
    """The names of all edges out of some sources, or only of those into the queries, keys or values of some heads.

    Pairs without an edge, because the reader comes first, are left out. With grouped queries, a head's keys and values
    are those of its group.

    Raises:
        ValueError: for a source or a head that the graph doesn't have.
    """
    sources, heads = tuple(sources), tuple(into or ())
    for kind, names in (("source", sources), ("head", heads)):
        for name in names:
            if name not in graph.sources or (kind == "head" and not name.startswith("a")):
                raise ValueError(f"{name!r} is no {kind} of {graph}")
    wanted = dict.fromkeys(graph.reader_of(head, letter) for head in heads for letter in letters)
    rows = graph.readers if into is None else wanted
    edges = [(source, row) for row in rows for source in sources]
    return [f"{s}->{row}" for s, row in edges if graph.edges[graph.readers.index(row), graph.sources.index(s)]]


def logits_without(
    model, pairs: PromptPairs, edges: Sequence[str], *, ablation: Ablation = "corrupt"
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when only these edges are cut; all others carry what they always carry."""
    graph = Graph.from_model(model)
    return run_circuit(model, ~Circuit.from_edges(graph, edges), pairs, ablation)


def cut_effect(
    model, pairs: PromptPairs, edges: Sequence[str], metric: Metric = logit_diff, *, ablation: Ablation = "corrupt"
) -> Estimate:
    """How much worse a metric gets when only these edges are cut, with its interval over the pairs.

    Positive if the edges help, whatever the metric's sign; in the metric's unit.
    """
    before = metric(pairs.reference, pairs).float()
    after = metric(logits_without(model, pairs, edges, ablation=ablation), pairs).float()
    return bootstrap(lambda fall: fall.mean(-1), sign_of(metric) * (before - after))


def evaluate_circuit(
    model, circuit: Circuit, pairs: PromptPairs, scale: Baselines | None = None, metric: Metric = logit_diff, **options
) -> dict[str, float]:
    """What a circuit keeps on some pairs: faithfulness with its interval, and its hits."""
    kept = faithfulness(model, circuit, pairs, metric, scale=scale, **options)
    logits = run_circuit(model, circuit, pairs, **options)
    hits = {name: mean_metric(hit, logits, pairs) for name, hit in HITS.items()}
    return {"faithfulness": float(kept), "low": kept.low, "high": kept.high, **hits}
