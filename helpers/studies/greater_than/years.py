"""Greater-than looked into: what each source says about the hundred years, where an MLP works, which neurons it needs.

A map of years has a row for each starting year of the prompts and a column for each year 00 to 99 (arXiv 2305.00586).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.circuits.ablation import run_writes
from helpers.circuits.evaluation import recovered
from helpers.circuits.gradients import reader_gradients
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import Metric, higher_is_better
from helpers.components.lens import direct_logit_attribution
from helpers.models.network import Network, read_network
from helpers.models.run import Past, forward, resume, run_past
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.skills import start_years, year_ids
from helpers.statistics import Estimate, bootstrap

Kind = Literal["corrupt", "mean"]
NEAR = 2  # years that still count as the same


def year_diff(model, pairs: PromptPairs) -> Metric:
    """The metric of greater-than: the probability of later years minus that of the others, over the years 00 to 99."""
    ids = year_ids(model, pairs.clean[0])

    @higher_is_better
    def probability_of_later_years(
        logits: Float[Tensor, "batch d_vocab"], pairs: PromptPairs
    ) -> Float[Tensor, " batch"]:
        starts = start_years(pairs).to(logits.device)
        later = torch.arange(100, device=logits.device) > starts[:, None]
        return (logits.softmax(-1)[:, ids] * (2 * later.to(logits.dtype) - 1)).sum(-1)

    return probability_of_later_years


def by_start(values: Float[Tensor, "*any batch year"], pairs: PromptPairs) -> Float[Tensor, "*any start year"]:
    """The mean over the pairs of each starting year, earliest first."""
    starts = start_years(pairs).to(values.device)
    return torch.stack([values[..., starts == start, :].mean(-2) for start in starts.unique()], -2)


@torch.no_grad()
def source_years(model, pairs: PromptPairs) -> dict[str, Float[Tensor, "start year"]]:
    """What each source's write at the last position adds to the logits of the years, against their mean.

    Direct logit attribution with the final norm's scale held at the run's own; biases belong to no source.

    Returns:
        A map of years for each source, in the graph's order.
    """
    net, ids = read_network(model), year_ids(model, pairs.clean[0])
    total = torch.empty(len(Graph.from_model(model).sources), len(pairs), len(ids))
    for places, group in pairs.groups(32):
        writes, resid = run_writes(net, group.clean_tokens)
        written = writes.expand(net)[:, :, -1]
        total[:, places] = _said(net, written, resid[:, -1], ids).cpu()
    return dict(zip(Graph.from_model(model).sources, by_start(total, pairs), strict=True))


def _said(
    net: Network,
    written: Float[Tensor, "write batch d_model"],
    resid: Float[Tensor, "batch d_model"],
    ids: Sequence[int],
) -> Float[Tensor, "write batch year"]:
    """What writes add to the logits of the years, against their mean."""
    years = net.W_U[:, list(ids)].T
    return direct_logit_attribution(net, written, resid, (years - years.mean(0)).expand(len(resid), -1, -1))


def centred(values: Float[Tensor, "start year"]) -> Float[Tensor, "start year"]:
    """A map without its row means and column means: what it says about *this* year after *this* start."""
    return values - values.mean(0) - values.mean(1, keepdim=True) + values.mean()


def shapes(starts: Int[Tensor, " start"]) -> dict[str, Float[Tensor, "start year"]]:
    """Three maps to compare with, centred: a step after the start, the start's own neighbourhood, and a tilt.

    A tilt favours late years the more, the later the start is. Step and tilt are uncorrelated over all 100 starts.
    """
    start, year = starts[:, None].float(), torch.arange(100)[None].float()
    return {
        "step": centred((year > start).float()),
        "diagonal": centred(((year - start).abs() <= NEAR).float()),
        "tilt": centred(start * year),
    }


def shape_of(values: Float[Tensor, "start year"], starts: Int[Tensor, " start"]) -> pd.Series:
    """How alike a map is to each of the `shapes`: correlations from -1 to 1, after centring."""
    own = centred(values).flatten()
    own = own / own.norm().clamp_min(1e-9)
    return pd.Series({name: float(own @ (s.flatten() / s.norm())) for name, s in shapes(starts).items()})


@dataclass(frozen=True)
class MlpScene:
    """One MLP of a model on pairs of one length: its neurons in the clean run, and what they are when ablated."""

    net: Network
    layer: int
    pairs: PromptPairs
    before: Float[Tensor, "batch pos d_model"]
    neurons: Float[Tensor, "batch pos d_mlp"]
    ablated: Float[Tensor, "#batch pos d_mlp"]

    @cached_property
    def past(self) -> Past | None:
        """Keys and values before the last position, in the clean run."""
        with torch.no_grad():
            return run_past(self.net, self.pairs.clean_tokens[:, :-1])

    @property
    def whole(self) -> Float[Tensor, "batch d_vocab"]:
        """The whole model's logits at the last position."""
        return self.logits(torch.ones(self.neurons.shape[1:], dtype=torch.bool))

    @torch.no_grad()
    def logits(self, kept: Bool[Tensor, "pos d_mlp"]) -> Float[Tensor, "batch d_vocab"]:
        """The model's logits at the last position when only the ``kept`` neurons have their clean values."""
        neurons = torch.where(kept.to(self.before.device), self.neurons, self.ablated)
        return resume(self.net, self._after(neurons), 2 * self.layer + 2)

    def _after(self, neurons: Tensor) -> Tensor:
        layer = self.net.layers[self.layer]
        return self.before + neurons @ layer.W_out + layer.b_out

    @torch.no_grad()
    def only(self, neurons: Sequence[int] | Int[Tensor, " kept"]) -> Float[Tensor, "batch d_vocab"]:
        """The logits when at the last position only these neurons are kept; other positions stay as they are."""
        kept = torch.zeros(self.neurons.shape[-1], dtype=torch.bool)
        kept[torch.as_tensor(neurons, dtype=torch.long)] = True
        after = self._after(torch.where(kept.to(self.before.device), self.neurons, self.ablated))[:, -1:]
        return resume(self.net, after, 2 * self.layer + 2, self.past)


@torch.no_grad()
def mlp_scene(model, pairs: PromptPairs, layer: int, ablation: Kind = "mean") -> MlpScene:
    """Prepare runs in which some neurons of one MLP are ablated.

    Args:
        pairs: all of one length.
        ablation: ``"corrupt"``: their values in the corrupt prompts; ``"mean"``: their mean over the clean prompts,
            position by position, which forgets the starting year but nothing else.

    Raises:
        ValueError: for an unknown ablation or layer, or pairs of several lengths.
    """
    if ablation not in get_args(Kind):
        raise ValueError(f"unknown ablation {ablation!r}; choose from {', '.join(get_args(Kind))}")
    net = read_network(model)
    net.check_layer(layer)
    tokens = pairs.clean_tokens
    before, neurons = _neurons(net, layer, tokens)
    other = neurons.mean(0, keepdim=True) if ablation == "mean" else _neurons(net, layer, pairs.corrupt_tokens)[1]
    return MlpScene(net, layer, pairs, before, neurons, other)


def _neurons(net: Network, layer: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The residual stream before an MLP and the MLP's neurons."""
    step = next(step for step in forward(net, net.embed(tokens)) if step.sublayer == 2 * layer + 1)
    return step.resid, step.neurons


def mlp_falls(model, pairs: PromptPairs, metric: Metric, places: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """How much the metric falls when an MLP is ablated at some positions only.

    Args:
        places: names for lists of positions.

    Returns:
        Columns ``mlp, place, ablation, fall``; a fall is a difference of means over the pairs.
    """
    full, rows = metric(pairs.clean_logits(model), pairs).mean(), []
    for layer in range(Graph.from_model(model).n_layers):
        for ablation in get_args(Kind):
            scene = mlp_scene(model, pairs, layer, ablation)
            for place, positions in places.items():
                kept = torch.ones(scene.neurons.shape[1:], dtype=torch.bool)
                kept[list(positions)] = False
                kept = kept.to(scene.before.device)
                fall = full - metric(scene.logits(kept), pairs).mean()
                rows.append((f"m{layer}", place, ablation, float(fall)))
    return pd.DataFrame(rows, columns=["mlp", "place", "ablation", "fall"])


def neuron_scores(scene: MlpScene, metric: Metric) -> Float[Tensor, " d_mlp"]:
    """How much each neuron helps at the last position: its ablation's effect, estimated with one gradient.

    Attribution patching for neurons: the difference to the ablated value times the metric's gradient, through all
    later layers, averaged over the pairs. Positive: it helps.
    """
    down = torch.zeros_like(scene.before)
    after = scene._after(scene.neurons)

    def judge(last: Tensor) -> Tensor:
        return metric(scene.net.unembed(last), scene.pairs)

    for _, gradients in reader_gradients(scene.net, after, judge, first=2 * scene.layer + 2):
        down += gradients.sum(0)
    at_neurons = down[:, -1] @ scene.net.layers[scene.layer].W_out.T
    return ((scene.neurons - scene.ablated)[:, -1] * at_neurons).mean(0)


def kept_effect(scene: MlpScene, metric: Metric, neurons: Sequence[int] | Int[Tensor, " kept"]) -> Estimate:
    """The share of an MLP's effect at the last position that some of its neurons keep, with all others ablated.

    1 as with all neurons, 0 as with none; the interval is over the pairs.
    """
    full = metric(scene.whole, scene.pairs).float()
    kept, none = (metric(scene.only(chosen), scene.pairs).float() for chosen in (neurons, []))
    return bootstrap(recovered, kept, full, none)


def neuron_years(
    model, scene: MlpScene, neurons: Sequence[int] | Int[Tensor, " kept"]
) -> tuple[Float[Tensor, "kept start"], Float[Tensor, "kept year"]]:
    """A neuron's two halves: its activation by starting year, and what one unit of it adds to each year's logit.

    Its map of years is their product, so it has rank one. Logits are against their mean over the years.
    """
    rows = torch.as_tensor(neurons, dtype=torch.long)
    layer, ids = scene.net.layers[scene.layer], year_ids(model, scene.pairs.clean[0])
    active = by_start(scene.neurons[:, -1, rows], scene.pairs).T
    with torch.no_grad():
        resid = run_writes(scene.net, scene.pairs.clean_tokens)[1][:, -1]
        written = layer.W_out[rows][:, None].expand(-1, len(resid), -1)
        return active.cpu(), _said(scene.net, written, resid, ids).mean(1).cpu()
