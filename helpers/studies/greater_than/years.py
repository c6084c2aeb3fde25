"""Greater-than looked into: what each source adds to the logits of years, and which neurons an MLP needs.

A map of years has a row for each starting year of the prompts and a column for each year 00 to 99 (arXiv 2305.00586).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.atlas.skills import start_years, year_ids
from helpers.circuits.ablation import run_writes
from helpers.circuits.evaluation import recovered
from helpers.circuits.gradients import reader_gradients
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import Metric, higher_is_better
from helpers.components.lens import direct_logit_attribution
from helpers.models.network import Network, read_network
from helpers.models.run import Past, forward, resume, run_past
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap

Kind = Literal["corrupt", "mean"]


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
def said_by_sources(model, pairs: PromptPairs, ids: Sequence[int]) -> Float[Tensor, "source batch token"]:
    """What each source's write at the last position adds to the logits of some tokens, against their mean.

    Direct logit attribution with the final norm's scale held at the run's own; biases belong to no source.
    """
    net = read_network(model)
    total = torch.empty(len(Graph.from_model(model).sources), len(pairs), len(ids))
    for places, group in pairs.groups(32):
        writes, resid = run_writes(net, group.clean_tokens)
        written = writes.expand(net)[:, :, -1]
        total[:, places] = _said(net, written, resid[:, -1], ids).cpu()
    return total


def _said(
    net: Network,
    written: Float[Tensor, "write batch d_model"],
    resid: Float[Tensor, "batch d_model"],
    ids: Sequence[int],
) -> Float[Tensor, "write batch year"]:
    """What writes add to the logits of the years, against their mean."""
    years = net.W_U[:, list(ids)].T
    return direct_logit_attribution(net, written, resid, (years - years.mean(0)).expand(len(resid), -1, -1))


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
