"""How good a circuit is: faithful, complete, minimal, at which size, and with what spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from scipy.integrate import trapezoid
from torch import Tensor

from helpers.checks import Count, Model, Share, checked
from helpers.circuits.ablation import Ablation, run_circuit, run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import HITS, AnyMetric, DirectedMetric, Metric, logit_diff
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap

# The shares of all edges at which the MIB benchmark judges a search (arXiv 2504.13151).
SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Baselines:
    """The metric for each pair in the whole model and with every edge ablated: the scale of faithfulness.

    It is of one model as it was, of some pairs, one metric and one ablation; `check` tells whether it still is.
    """

    full: Float[Tensor, " batch"]
    ablated: Float[Tensor, " batch"]
    pairs: PromptPairs
    ablation: Ablation
    metric: str
    weights: Float[Tensor, "parameter 2"]

    def __repr__(self) -> str:
        return f"Baselines({len(self.full)} pairs: whole {self.full.mean():.2f}, ablated {self.ablated.mean():.2f})"

    def check(self, model, pairs: PromptPairs, metric: Metric, ablation: Ablation) -> None:
        """Raise ValueError if this scale isn't of these pairs, this metric and ablation, and the model as it is now."""
        same = (self.ablation, self.metric) == (ablation, metric.__name__) and self.pairs.clean_ids == pairs.clean_ids
        same = same and torch.equal(self.weights, _sums(model))  # of `kl`, the whole model's value is always 0
        if same and self.pairs.corrupt_ids == pairs.corrupt_ids:
            first = pairs.select([0])
            whole = first.clean_logits(model)
            now = metric.beside(whole)(whole, first).float()
            same = torch.allclose(self.full[:1], now, rtol=1e-3, atol=1e-3)
        if not same:
            raise ValueError("the scale was measured for other pairs, another metric or ablation, or before the model "
                             "changed; measure it again with baselines")  # fmt: skip


@checked
def baselines(
    model: Model,
    pairs: PromptPairs,
    metric: AnyMetric = logit_diff,
    ablation: Ablation = "corrupt",
    batch: Count | None = None,
) -> Baselines:
    """Measure both ends of the scale: the whole model, and a run in which every edge is ablated."""
    nothing = Circuit.empty(Graph.from_model(model))
    _, ends = _ends(metric, pairs, *run_circuits(model, [nothing], pairs, ablation, whole=True, batch=batch))
    return Baselines(*ends, pairs, ablation, metric.__name__, _sums(model))


def _ends(metric: Metric, pairs: PromptPairs, whole: Tensor, empty: Tensor) -> tuple[Metric, tuple[Tensor, Tensor]]:
    """The metric, beside the whole model if it needs that, and its values of the whole model and of nothing."""
    own = metric.beside(whole)
    return own, (own(whole, pairs).float(), own(empty, pairs).float())


@torch.no_grad()
def _sums(model) -> Float[Tensor, "parameter 2"]:
    """The sum and the norm of each weight tensor: other ones after an edit, the same again after its undoing."""
    return torch.stack([torch.stack([p.sum(), p.norm()]) for p in model.original_model.parameters()]).float().cpu()


def recovered(value: Tensor, full: Tensor, ablated: Tensor) -> Tensor:
    """Where a mean metric stands between ablated (0) and full (1)."""
    bottom = ablated.mean(-1)
    return (value.mean(-1) - bottom) / (full.mean(-1) - bottom)


@checked
def faithfulness(
    model: Model,
    circuit: Circuit,
    pairs: PromptPairs,
    metric: AnyMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    scale: Baselines | None = None,
    batch: Count | None = None,
) -> Estimate:
    """The share of the metric that the circuit alone keeps: 1 as the whole model, 0 as with everything ablated.

    Args:
        scale: both ends, if they have been measured already (`baselines`).

    Raises:
        ValueError: if the whole model and the ablated run are equally good, so that there is nothing to keep, or the
            scale is another one's.
    """
    return _judged(model, circuit, pairs, metric, ablation, scale, batch)[0]


def _judged(
    model,
    circuit: Circuit,
    pairs: PromptPairs,
    metric: Metric,
    ablation: Ablation,
    scale: Baselines | None,
    batch: int | None = None,
) -> tuple[Estimate, Float[Tensor, "batch d_vocab"]]:
    """`faithfulness`, and the circuit's logits."""
    if scale is None:
        both = [Circuit.empty(circuit.graph), circuit]
        whole, empty, logits = run_circuits(model, both, pairs, ablation, whole=True, batch=batch)
        own, (full, ablated) = _ends(metric, pairs, whole, empty)
    else:
        scale.check(model, pairs, metric, ablation)
        full, ablated = scale.full, scale.ablated
        own = metric.beside(pairs.clean_logits(model, batch=batch)) if metric.against_model else metric
        logits = run_circuit(model, circuit, pairs, ablation, batch=batch)
    top, bottom = full.mean().item(), ablated.mean().item()
    if abs(top - bottom) <= 1e-5 * max(1, abs(top), abs(bottom)):
        raise ValueError(
            f"the whole model and the ablated run give the same {metric.__name__} ({top:.3g}), so there is nothing to "
            "keep a share of; choose pairs whose corrupt prompts change the answer"
        )
    return bootstrap(recovered, own(logits, pairs).float(), full, ablated), logits


@checked
def completeness(
    model: Model, circuit: Circuit, pairs: PromptPairs, metric: AnyMetric = logit_diff, **options
) -> Estimate:
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


@checked
def cpr_cmd(
    model: Model,
    scores: Scores | Callable[[int], Circuit],
    pairs: PromptPairs,
    metric: AnyMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    select: Literal["top", "greedy"] = "top",
    sizes: Sequence[Share] = SIZES,
    batch: Count | None = None,
) -> Curve:
    """CPR and CMD: the areas under faithfulness, and between it and 1, over the share of edges (arXiv 2504.13151).

    CPR is larger for circuits that perform better (above 1 where they beat the model), CMD smaller for circuits that
    behave more like the model. Trapezoids on a linear axis from the smallest to the largest size, as MIB computes them.

    Args:
        scores: a search's scores, or a function from a number of edges to a circuit (for random ones).
        select: take the best edges, or grow the circuit from the logits.
        sizes: shares of all edges, at least two, the smallest first.

    Raises:
        ValueError: for sizes in another order.
    """
    if len(sizes) < 2 or not all(a < b for a, b in pairwise(sizes)):
        raise ValueError(f"an area needs two sizes or more, the smallest first, not {list(sizes)}")
    choose = getattr(scores, select) if isinstance(scores, Scores) else scores
    scale, total = baselines(model, pairs, metric, ablation, batch), Graph.from_model(model).n_edges
    options, counts = dict(ablation=ablation, scale=scale, batch=batch), [int(share * total) for share in sizes]
    kept = [faithfulness(model, choose(n), pairs, metric, **options).row() for n in counts]
    rows = [(share, n, *row) for share, n, row in zip(sizes, counts, kept, strict=True)]
    table = pd.DataFrame(rows, columns=["share", "edges", "faithfulness", "low", "high"])
    cpr, cmd = (float(trapezoid(y, table.share)) for y in (table.faithfulness, (1 - table.faithfulness).abs()))
    return Curve(table, cpr, cmd)


def kept_hits(
    model, circuit: Circuit, pairs: PromptPairs, metric: AnyMetric, ablation: Ablation = "corrupt"
) -> Estimate:
    """The circuit's mean of a metric over the model's, for example of Hit@1: how much of its recall is kept."""
    runs = run_circuits(model, [circuit], pairs, ablation, whole=True)
    full, value = (metric(logits, pairs).float() for logits in runs)
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


@checked
def cut_effect(
    model: Model,
    pairs: PromptPairs,
    edges: Sequence[str],
    metric: DirectedMetric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
) -> Estimate:
    """How much worse a metric gets when only these edges are cut, with its interval over the pairs.

    Positive if the edges help, whatever the metric's sign; in the metric's unit.
    """
    without = ~Circuit.from_edges(Graph.from_model(model), edges)
    whole, cut = run_circuits(model, [without], pairs, ablation, whole=True)
    _, (before, after) = _ends(metric, pairs, whole, cut)
    return bootstrap(lambda fall: fall.mean(-1), metric.sign * (before - after))


def evaluate_circuit(
    model,
    circuit: Circuit,
    pairs: PromptPairs,
    scale: Baselines | None = None,
    metric: Metric = logit_diff,
    ablation: Ablation = "corrupt",
) -> dict[str, float]:
    """What a circuit keeps on some pairs: faithfulness with its interval, and its hits."""
    kept, logits = _judged(model, circuit, pairs, metric, ablation, scale)
    hits = {name: hit(logits, pairs).mean().item() for name, hit in HITS.items()}
    return {"faithfulness": float(kept), "low": kept.low, "high": kept.high, **hits}
