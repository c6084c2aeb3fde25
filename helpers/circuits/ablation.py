"""Run a circuit: every edge outside it carries what its source would have written in another, ablated run.

The input of a reader is rebuilt exactly, before the norm: the residual stream minus, for each cut edge, the
difference between what the source writes now and what it writes when ablated. Biases belong to no edge and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.checks import Count, Model, Positive, checked
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.circuits.memory import Shape, pairs_at_once
from helpers.circuits.metrics import Metric
from helpers.models.network import Layer, Network, read_network
from helpers.models.run import Past, attention_out, forward, head_writes, repeat_past, run_past
from helpers.prompts.pairs import PromptPairs

Ablation = Literal["corrupt", "zero", "mean"]


@dataclass(frozen=True)
class NodeOutputs:
    """What all sources write, in compact form: heads before `W_O`, MLPs without their bias. Linear in its parts."""

    embed: Float[Tensor, "batch pos d_model"]
    heads: tuple[Float[Tensor, "batch pos head d_head"], ...]
    mlps: tuple[Float[Tensor, "batch pos d_model"], ...]

    def expand(self, net: Network) -> Float[Tensor, "source batch pos d_model"]:
        """One row for each source, in the graph's order."""
        return self.rows(net, 0, 1 + len(self.mlps) * (net.n_heads + 1))

    def rows(self, net: Network, start: int, stop: int) -> Float[Tensor, "some batch pos d_model"]:
        """The rows of some sources that follow each other."""
        rows = self.embed.new_empty(stop - start, *self.embed.shape)
        if start == 0:
            rows[0] = self.embed
        for n, (layer, z, mlp) in enumerate(zip(net.layers, self.heads, self.mlps, strict=True)):
            first = 1 + n * (net.n_heads + 1)
            low, high = max(first, start), min(first + net.n_heads, stop)
            if low < high:
                rows[low - start : high - start] = head_writes(layer, z, slice(low - first, high - first))
            if start <= first + net.n_heads < stop:
                rows[first + net.n_heads - start] = mlp
        return rows

    def __sub__(self, other: NodeOutputs) -> NodeOutputs:
        """The difference, source by source (a batch of 1 counts for all)."""
        return NodeOutputs(
            self.embed - other.embed,
            tuple(a - b for a, b in zip(self.heads, other.heads, strict=True)),
            tuple(a - b for a, b in zip(self.mlps, other.mlps, strict=True)),
        )

    def mean(self) -> NodeOutputs:
        """The mean over the batch, position by position, as a batch of 1."""
        return self._each(lambda part: part.mean(0, keepdim=True))

    def zero(self) -> NodeOutputs:
        """Nothing written."""
        return self._each(torch.zeros_like)

    def halves(self) -> tuple[NodeOutputs, NodeOutputs]:
        """The first and the second half of the batch."""
        return self._each(lambda part: part.chunk(2)[0]), self._each(lambda part: part.chunk(2)[1])

    def _each(self, change: Callable[[Tensor], Tensor]) -> NodeOutputs:
        return NodeOutputs(change(self.embed), tuple(map(change, self.heads)), tuple(map(change, self.mlps)))


@torch.no_grad()
def run_writes(
    net: Network, tokens: Int[Tensor, "batch pos"], start: int = 0, past: Past | None = None
) -> tuple[NodeOutputs, Float[Tensor, "batch rest d_model"]]:
    """What the sources write at the positions from ``start`` on, and the final residual; an ordinary run."""
    embed, heads, mlps = net.embed(tokens, start), [], []
    for step in forward(net, embed, past=past):
        mlps.append(step.written) if step.is_mlp else heads.append(step.z)
    return NodeOutputs(embed, tuple(heads), tuple(mlps)), step.after


@dataclass(frozen=True)
class PatchingRun:
    """Everything that circuit runs over pairs of one length share.

    Positions before ``start`` are the same in the clean and the ablated run, whatever the circuit; they are computed
    once (``past``) and never again.
    """

    net: Network
    pairs: PromptPairs
    tokens: Int[Tensor, "batch pos"]
    start: int
    past: Past | None
    ablated: NodeOutputs
    beside: tuple[NodeOutputs, Tensor] | None = None  # the clean run, if it was made together with the ablated one

    @property
    def embed(self) -> Float[Tensor, "batch pos d_model"]:
        """What the embedding writes in the clean run."""
        return self.net.embed(self.tokens, self.start)

    @cached_property
    def clean(self) -> tuple[NodeOutputs, Float[Tensor, "batch pos d_model"]]:
        """What the sources write in the clean run, and its final residual."""
        return self.beside or run_writes(self.net, self.tokens, self.start, self.past)

    @cached_property
    def whole(self) -> Float[Tensor, "batch d_vocab"]:
        """The whole model's logits at the answer position, from the weights as they are in this run."""
        with torch.no_grad():
            return self.net.unembed(self.clean[1][:, -1])

    def measure_residual(
        self, metric: Metric, resid: Float[Tensor, "trial_and_batch d_model"]
    ) -> Float[Tensor, "trial batch"]:
        """`measure` of final residuals at the answer position."""
        if metric.of_answers is None:
            return self.measure(metric, self.net.unembed(resid))
        ids = torch.stack((self.pairs.answer_ids, self.pairs.wrong_ids))
        x = self.net.norm(resid).unflatten(0, (-1, len(self.pairs)))
        logits = torch.einsum("tbd,dab->atb", x, self.net.W_U[:, ids]) + self.net.b_U[ids][:, None]
        return metric.finite(metric.of_answers(*logits.to(torch.promote_types(logits.dtype, torch.float32))))

    def measure(self, metric: Metric, logits: Float[Tensor, "trial_and_batch d_vocab"]) -> Float[Tensor, "trial batch"]:
        """A metric of some trials over these pairs, one trial after the other; gradients flow."""
        times = len(logits) // len(self.pairs)
        pairs = self.pairs if times == 1 else self.pairs.select([*range(len(self.pairs))] * times)
        if metric.against_model:
            metric = metric.beside(self.whole.repeat(times, 1))
        return metric(logits, pairs).unflatten(0, (times, -1))


@checked
def scenes(
    model: Model,
    pairs: PromptPairs,
    ablation: Ablation,
    batch: Count | None = None,
    reference: PromptPairs | None = None,
    copies: Positive = 1.0,
    clean: bool = False,
) -> Iterator[tuple[Int[Tensor, " chosen"], PatchingRun]]:
    """The pairs' scenes, by length and at most ``batch`` at a time (see `memory`), with their places.

    Args:
        reference: for ``"mean"``, the pairs over whose corrupt prompts of the same length the mean is taken.
        clean: whether the clean runs are needed too; with corrupt ablation, both are then made in one batch.

    Raises:
        ValueError: if ``reference`` has no prompts of some length.
    """
    pairs.check_model(model)
    net, begun = read_network(model), {}
    batch = batch or pairs_at_once(Shape.of_network(net), max(map(len, pairs.clean_ids)), copies)
    by_length = {group.clean_tokens.shape[1]: group for _, group in (reference or pairs).groups()}
    for places, group in pairs.groups(batch):
        tokens, start = group.clean_tokens, group.first_difference if ablation == "corrupt" else 0
        length = tokens.shape[1]
        if ablation == "mean" and length not in by_length:
            raise ValueError(
                f"the reference has no prompts of {length} tokens, so there is no mean for {group.clean[0]!r}"
            )
        rows = tokens[:1] if (tokens == tokens[:1])[:, :start].all() else tokens
        first = str(rows[:, :start].tolist())  # prompts of several lengths often begin alike
        begun = {first: begun[first] if first in begun else run_past(net, rows[:, :start])}
        past, other = begun[first], by_length[length] if ablation == "mean" else group
        both = clean and ablation == "corrupt"
        read = torch.cat((tokens, other.corrupt_tokens)) if both else other.corrupt_tokens
        writes, final = run_writes(net, read, start, repeat_past(past, 1 + both))
        own, writes = writes.halves() if both else (None, writes)
        ablated = writes if ablation == "corrupt" else writes.mean() if ablation == "mean" else writes.zero()
        yield places, PatchingRun(net, group, tokens, start, past, ablated, own and (own, final[: len(group)]))


@checked
@torch.no_grad()
def run_circuit(
    model: Model,
    circuit: Circuit,
    pairs: PromptPairs,
    ablation: Ablation = "corrupt",
    *,
    batch: Count | None = None,
    reference: PromptPairs | None = None,
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when only the circuit's edges carry the clean run.

    Args:
        ablation: what a cut edge carries: what the source writes in the corrupt prompt, nothing (biases stay; the
            positions' embedding goes with the tokens'), or its mean over the corrupt prompts of ``reference``
            position by position.
        batch: pairs at a time; fewer need less memory. By default as many as fit (`helpers.circuits.memory`).
        reference: pairs that the mean is taken over; ``pairs`` themselves by default. (Of one pair alone, the mean is
            its corrupt prompt.)

    Raises:
        ValueError: for a circuit of another graph than the model's.
    """
    return run_circuits(model, [circuit], pairs, ablation, batch=batch, reference=reference)[0]


@torch.no_grad()
def run_circuits(
    model,
    circuits: Sequence[Circuit],
    pairs: PromptPairs,
    ablation: Ablation,
    *,
    whole: bool = False,
    batch: int | None = None,
    reference: PromptPairs | None = None,
) -> Float[Tensor, "circuit batch d_vocab"]:
    """`run_circuit` of several circuits on the same runs; with ``whole``, the whole model's logits come first."""
    graph = Graph.from_model(model)
    if others := [circuit for circuit in circuits if circuit.graph != graph]:
        raise ValueError(f"the circuit is of {others[0].graph}, the model has {graph}")
    alive = [circuit.pruned(both_ways=ablation == "corrupt") for circuit in circuits]
    parts = []
    for places, scene in scenes(model, pairs, ablation, batch, reference, clean=whole):
        rows = [scene.clean[1][:, -1]] * whole + [_circuit_residual(scene, circuit) for circuit in alive]
        parts.append((places, torch.stack(rows, 1)))
    return scene.net.unembed(in_places(parts).transpose(0, 1))  # all at once: the vocabulary is read from memory once


def in_places(parts: Iterable[tuple[Int[Tensor, " chosen"], Tensor]]) -> Tensor:
    """Rows that came in parts, each with the places where they belong, as one tensor."""
    places, rows = zip(*parts, strict=True)
    return torch.cat(rows)[torch.cat(places).argsort().to(rows[0].device)]


def _circuit_residual(scene: PatchingRun, circuit: Circuit) -> Float[Tensor, "batch d_model"]:
    """The final residual of a pruned circuit (as `masked_logits`), seen from the ablated run: only nodes with edges."""
    net, graph, ablated = scene.net, circuit.graph, scene.ablated
    base, size = ablated.embed.expand_as(scene.embed), net.n_heads // net.n_groups
    mask, alive = circuit.mask.to(base), circuit.mask.any(0).tolist()
    rows, changes = [0], (scene.embed - ablated.embed)[None]  # sources, and how they differ from their ablated output

    def inputs(readers: list[int], at: slice = slice(None)) -> Float[Tensor, "reader batch pos d_model"]:
        return base[:, at] + torch.einsum("rs,sbpd->rbpd", mask[readers][:, rows], changes[:, :, at])

    for n, layer in enumerate(net.layers):
        first, start = graph.source_rows(2 * n).start, graph.reader_rows(2 * n).start
        groups = [g for g in range(net.n_groups) if any(alive[first + g * size : first + (g + 1) * size])]
        heads = [g * size + h for g in groups for h in range(size)]
        if heads:
            readers = [*heads, *(net.n_heads + g for g in groups), *(net.n_heads + net.n_groups + g for g in groups)]
            x = layer.norm1(inputs([start + reader for reader in readers]))
            past = scene.past and tuple(part[:, :, groups] for part in scene.past[n])
            z = net.attend(*split_qkv(layer, x, heads, groups), past) - ablated.heads[n][:, :, heads]
            new = (z.permute(2, 0, 1, 3).flatten(1, 2) @ layer.W_O[heads]).unflatten(1, z.shape[:2])
            rows, changes = rows + [first + head for head in heads], torch.cat((changes, new))
        base = base + attention_out(layer, ablated.heads[n])
        if alive[first + net.n_heads]:
            x = layer.norm2(inputs([start + graph.attention_readers])[0])
            new = layer.neurons(x) @ layer.W_out - ablated.mlps[n]
            rows, changes = [*rows, first + net.n_heads], torch.cat((changes, new[None]))
        base = base + ablated.mlps[n] + layer.b_out
    return inputs([len(mask) - 1], slice(-1, None))[0, :, 0]


def split_qkv(
    layer: Layer,
    x: Float[Tensor, "reader batch pos d_model"],
    heads: list[int] | slice = slice(None),
    groups: list[int] | slice = slice(None),
) -> Iterator[Tensor]:
    """Queries, keys and values when every head (or group) has an input of its own: ``[batch pos head d_head]``."""
    weights = [(layer.W_Q[heads], layer.b_Q[heads])]
    weights += [(W[groups], b[groups]) for W, b in ((layer.W_K, layer.b_K), (layer.W_V, layer.b_V))]
    for own, (W, b) in zip(x.split([len(W) for W, _ in weights]), weights, strict=True):
        yield ((own.flatten(1, 2) @ W).unflatten(1, own.shape[1:3]) + b[:, None, None]).permute(1, 2, 0, 3)
