"""How good a circuit is: faithful, complete, minimal, at which size, and with what spread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.ablation import Ablation, run_circuit
from helpers.graph import Circuit, Graph
from helpers.metrics import Metric, logit_diff
from helpers.pairs import PromptPairs
from helpers.scores import Scores

# The shares of all edges at which the MIB benchmark judges a search (arXiv 2504.13151).
SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SAMPLES = 1000


class Estimate(float):
    """A number with the 95 % bootstrap interval (over prompt pairs) that it comes with: ``low``, ``high``."""

    low: float
    high: float

    def __new__(cls, value: float, low: float, high: float) -> Estimate:
        """A float that carries its interval."""
        self = super().__new__(cls, value)
        self.low, self.high = low, high
        return self

    def __getnewargs__(self) -> tuple[float, float, float]:
        """What copying needs to make it anew."""
        return float(self), self.low, self.high

    def __repr__(self) -> str:
        return f"{float(self):.3f} [{self.low:.3f}, {self.high:.3f}]"

    def brief(self) -> str:
        """The number and its interval in two decimals, for a table: ``0.58 [0.49, 0.67]``."""
        return f"{float(self):.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap(statistic: Callable[..., Tensor], *values: Float[Tensor, " batch"], seed: int = 0) -> Estimate:
    """A statistic of paired samples with its percentile interval; nan for samples without any value.

    Args:
        statistic: takes samples ``[*resample batch]`` and gives ``[*resample]``.
    """
    if not len(values[0]):
        return Estimate(*(float("nan"),) * 3)
    generator = torch.Generator().manual_seed(seed)
    values = tuple(v.double().cpu() for v in values)
    index = torch.randint(len(values[0]), (SAMPLES, len(values[0])), generator=generator)
    resampled = statistic(*(v[index] for v in values))
    low, high = resampled.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(statistic(*values).item(), low, high)


def with_interval(values: Float[Tensor, " value"] | Iterable[float | int]) -> Estimate:
    """The mean of values with the percentile interval that comes from drawing the values again."""
    values = values if isinstance(values, Tensor) else torch.tensor(list(values), dtype=torch.float64)
    return bootstrap(lambda v: v.mean(-1), values)


def grouped_mean(
    values: Float[Tensor, " value"] | Iterable[float | int], groups: Iterable[Hashable] | None = None, *, seed: int = 0
) -> Estimate:
    """The mean of values with a percentile interval that draws whole groups again.

    For values that aren't independent within a group, such as questions about one fact in several wordings: drawing
    single values again would give too narrow an interval.

    Args:
        groups: to which group each value belongs; by default each is a group of its own.
    """
    values = values if isinstance(values, Tensor) else torch.tensor(list(values), dtype=torch.float64)
    groups = range(len(values)) if groups is None else list(groups)
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    places = torch.tensor([number[group] for group in groups], dtype=torch.long)
    sums = torch.zeros(len(number), dtype=torch.float64).index_add(0, places, values.double().cpu())
    return bootstrap(lambda total, size: total.sum(-1) / size.sum(-1), sums, places.bincount().double(), seed=seed)


def percent_table(estimates: Mapping[Hashable, Mapping[Hashable, Estimate]]) -> pd.DataFrame:
    """Shares with their intervals as text, in percent: ``97 [95, 99]``; one row for each key of the outer mapping.

    A dash stands for a share of nothing.
    """

    def text(e: Estimate) -> str:
        if e != e:
            return "-"
        return f"{round(100 * e)} [{round(100 * e.low)},\N{NO-BREAK SPACE}{round(100 * e.high)}]"

    return _table(estimates, text)


def brief_table(estimates: Mapping[Hashable, Mapping[Hashable, Estimate]]) -> pd.DataFrame:
    """Estimates with their intervals as text, in two decimals; one row for each key of the outer mapping."""
    return _table(estimates, Estimate.brief)


def _table(estimates: Mapping[Hashable, Mapping[Hashable, Estimate]], text: Callable[[Estimate], str]) -> pd.DataFrame:
    rows = [{column: text(e) for column, e in row.items()} for row in estimates.values()]
    keys = list(estimates)
    index = pd.MultiIndex.from_tuples(keys) if isinstance(keys[0], tuple) else keys
    return pd.DataFrame(rows, index=index)


@dataclass(frozen=True)
class Ends:
    """The metric for each pair in the whole model and with every edge ablated: the scale of faithfulness."""

    full: Float[Tensor, " batch"]
    ablated: Float[Tensor, " batch"]


def ends(model, pairs: PromptPairs, metric: Metric, ablation: Ablation, batch: int | None = None) -> Ends:
    """Measure both ends of the scale."""
    empty = run_circuit(model, Circuit.empty(Graph.from_model(model)), pairs, ablation, batch=batch)
    return Ends(metric(pairs.reference, pairs).float(), metric(empty, pairs).float())


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
    scale: Ends | None = None,
    batch: int | None = None,
) -> Estimate:
    """The share of the metric that the circuit alone keeps: 1 as the whole model, 0 as with everything ablated.

    Args:
        scale: both ends, if they have been measured already (`ends`).
    """
    scale = scale or ends(model, pairs, metric, ablation, batch)
    value = metric(run_circuit(model, circuit, pairs, ablation, batch=batch), pairs).float()
    return bootstrap(recovered, value, scale.full, scale.ablated)


def completeness(model, circuit: Circuit, pairs: PromptPairs, metric: Metric = logit_diff, **options) -> Estimate:
    """What is left when the circuit is knocked out: the faithfulness of all other edges. Near 0 if it is complete."""
    return faithfulness(model, ~circuit, pairs, metric, **options)


def minimality(
    model,
    circuit: Circuit,
    pairs: PromptPairs,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
    batch: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """How much faithfulness the circuit loses without each of its edges.

    Returns:
        Columns ``edge, loss, low, high``, the largest loss first; an edge whose loss is near 0 is idle.
    """
    scale = ends(model, pairs, metric, ablation, batch)
    whole = metric(run_circuit(model, circuit, pairs, ablation, batch=batch), pairs).float()
    rows = []
    for edge in tqdm(circuit.edges, disable=not progress, desc="edges"):
        without = circuit - Circuit.from_edges(circuit.graph, [edge])
        value = metric(run_circuit(model, without, pairs, ablation, batch=batch), pairs).float()
        loss = bootstrap(
            lambda a, b, f, e: recovered(a, f, e) - recovered(b, f, e), whole, value, scale.full, scale.ablated
        )
        rows.append((edge, float(loss), loss.low, loss.high))
    table = pd.DataFrame(rows, columns=["edge", "loss", "low", "high"])
    return table.sort_values("loss", ascending=False, ignore_index=True)


@dataclass(frozen=True)
class Curve:
    """Faithfulness over circuit size. ``table`` has columns ``share, edges, faithfulness, low, high``."""

    table: pd.DataFrame
    cpr: float
    cmd: float


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
    scale, total = ends(model, pairs, metric, ablation, batch), Graph.from_model(model).n_edges
    rows = []
    for share in sizes:
        n = int(share * total)
        value = faithfulness(model, choose(n), pairs, metric, ablation=ablation, scale=scale, batch=batch)
        rows.append((share, n, float(value), value.low, value.high))
    table = pd.DataFrame(rows, columns=["share", "edges", "faithfulness", "low", "high"])
    widths, f = table.share.diff().iloc[1:].to_numpy(), table.faithfulness.to_numpy()

    def area(heights) -> float:
        return float((widths * (heights[1:] + heights[:-1]) / 2).sum())

    return Curve(table, area(f), area(abs(1 - f)))


def kept_hits(model, circuit: Circuit, pairs: PromptPairs, metric: Metric, **options) -> Estimate:
    """The circuit's mean of a metric over the model's, for example of Hit@1: how much of its recall is kept."""
    value = metric(run_circuit(model, circuit, pairs, **options), pairs).float()
    full = metric(pairs.reference, pairs).float()
    return bootstrap(lambda v, f: v.mean(-1) / f.mean(-1).clamp_min(1e-9), value, full)
