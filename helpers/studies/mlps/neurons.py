"""An MLP neuron by neuron: what each adds to the answer, and what goes without some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.circuits.metrics import logit_diff
from helpers.components.lens import against_mean
from helpers.models.network import read_network
from helpers.models.run import forward, resume
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import held_out_paraphrases, relation


@dataclass(frozen=True)
class Neurons:
    """The neurons of one MLP at the last position.

    ``written`` is what each adds to the answer's logit, in logits: its activation times its output vector, centred
    and scaled as the final norm does it in this run, read against the mean over the vocabulary. Later layers read the
    neurons too; that part isn't in it.
    """

    layer: int
    activations: Float[Tensor, "batch neuron"]
    written: Float[Tensor, "batch neuron"]

    @property
    def total(self) -> Float[Tensor, " batch"]:
        """What the MLP adds to the answer's logit, its bias left out."""
        return self.written.sum(-1)


@torch.no_grad()
def answer_neurons(model, pairs: PromptPairs, layer: int) -> Neurons:
    """What each neuron of an MLP adds to the answer's logit at the last position of the clean prompts.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net = read_network(model)
    net.check_layer(layer)
    out = net.layers[layer].W_out
    if net.norm.centred:
        out = out - out.mean(-1, keepdim=True)
    active = torch.empty(len(pairs), len(out), device=out.device)
    written = torch.empty_like(active)
    for chosen, group in pairs.groups():
        chosen = chosen.to(out.device)
        for step in forward(net, net.embed(group.clean_tokens)):
            if step.sublayer == 2 * layer + 1:
                neurons = step.neurons[:, -1]
        _, inverse = net.norm.standardize(step.after[:, -1])
        directions = against_mean(net, pairs.answer_ids[chosen]) * net.norm.weight * inverse
        active[chosen] = neurons
        written[chosen] = neurons * (directions @ out.T)
    return Neurons(layer, active, written)


def needed_for(written: Float[Tensor, "batch neuron"], share: float = 0.5) -> Float[Tensor, " batch"]:
    """How many neurons, the strongest first, add up to a share of what all together write.

    Where all together write less than nothing no number of neurons is such a share: the result is NaN.

    Raises:
        ValueError: unless the share is above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share is above 0 and at most 1, not {share}")
    total = written.sum(-1)
    reached = written.sort(-1, descending=True).values.cumsum(-1) >= share * total[:, None] - 1e-6
    count = reached.int().argmax(-1) + 1.0
    return torch.where(total > 0, count, torch.full_like(count, torch.nan))


def without_neurons(
    model,
    pairs: PromptPairs,
    layer: int,
    chosen: Int[Tensor, "batch k"],
    instead: Float[Tensor, " neuron"] | None = None,
) -> Float[Tensor, "batch d_vocab"]:
    """The logits at the answer position when some neurons have another activation at the last position.

    Args:
        chosen: each pair's own neurons.
        instead: the activation that each neuron of the MLP then has, such as its mean over other prompts; 0 by default.

    Raises:
        ValueError: for a layer that the model doesn't have, or neurons for another number of pairs.
    """
    return without_each(model, pairs, layer, [chosen], instead)[0]


@torch.no_grad()
def without_each(
    model,
    pairs: PromptPairs,
    layer: int,
    choices: Sequence[Int[Tensor, "batch _"]],
    instead: Float[Tensor, " neuron"] | None = None,
) -> Float[Tensor, "choice batch d_vocab"]:
    """`without_neurons` for several choices, on the same runs of what comes before the MLP."""
    net = read_network(model)
    net.check_layer(layer)
    if wrong := [len(chosen) for chosen in choices if len(chosen) != len(pairs)]:
        raise ValueError(f"there are {len(pairs)} pairs, but neurons are chosen for {wrong[0]}")
    out, parts = net.layers[layer].W_out, []
    instead = torch.zeros(len(out), device=out.device) if instead is None else instead
    for places, group in pairs.groups():
        for step in forward(net, net.embed(group.clean_tokens)):
            if step.sublayer == 2 * layer + 1:
                neurons, after = step.neurons[:, -1], step.after
                break
        logits = []
        for chosen in choices:
            ids, changed = chosen[places.to(chosen.device)].to(out.device), after.clone()
            left = neurons.scatter(-1, ids, instead[ids])
            changed[:, -1] += (left - neurons) @ out
            logits.append(resume(net, changed, 2 * layer + 2))
        parts.append((places, torch.stack(logits, 1)))
    return in_places(parts).transpose(0, 1)


def reworded(model, name: str, pairs: PromptPairs) -> tuple[Int[Tensor, " chosen"], PromptPairs]:
    """Pairs of a relation again, in words that training never used for the fact; and which of the pairs they are.

    A wording that begins with the subject is passed over: a capital letter may change the subject's tokens. Pairs
    without any other held-out wording are left out.
    """
    asked = relation(name)
    facts = {asked.prompt(fact): fact for fact in asked.facts}
    chosen, rows = [], []
    for i, (clean, corrupt) in enumerate(zip(pairs.clean, pairs.corrupt, strict=True)):
        held_out = held_out_paraphrases(asked, facts[clean])
        fits = [n for n in held_out if not asked.templates[n].startswith("{}")]
        if fits:
            chosen.append(i)
            texts = (asked.prompt(facts[text], fits[0]) for text in (clean, corrupt))
            rows.append((*texts, pairs.answers[i], pairs.wrong[i]))
    columns = (list(column) for column in zip(*rows, strict=True))
    return torch.tensor(chosen), PromptPairs.from_prompts(model, *columns, first_token=True)


def shared_neurons(model, names: Mapping[str, PromptPairs], layer: int, k: int = 10) -> pd.Series:
    """How many of two facts' ``k`` strongest neurons are the same ones, by what the facts have in common."""
    tens, relations, answers = [], [], []
    for name, pairs in names.items():
        top = answer_neurons(model, pairs, layer).written.topk(k).indices.cpu()
        tens.append(torch.zeros(len(pairs), read_network(model).layers[layer].W_out.shape[0]).scatter(1, top, 1))
        relations += [name] * len(pairs)
        answers += pairs.answer_ids.tolist()
    strongest = torch.cat(tens)
    shared = (strongest @ strongest.T / k).numpy()
    same_relation, same_answer = (np.equal.outer(some, some) for some in map(np.array, (relations, answers)))
    kinds = {
        "same answer": same_answer & ~np.eye(len(shared), dtype=bool),
        "same relation, other answer": same_relation & ~same_answer,
        "other relation": ~same_relation & ~same_answer,
    }
    found = {kind: shared[chosen].mean() if chosen.any() else float("nan") for kind, chosen in kinds.items()}
    return pd.Series(found | {"chance": k / strongest.shape[1]})


def knockouts(model, names: Mapping[str, PromptPairs], layer: int, sizes: Sequence[int]) -> pd.DataFrame:
    """What goes without a fact's strongest neurons, which are chosen in one wording and knocked out in another.

    Out means: at the last position the neuron has its mean activation over all facts asked. Beside a fact's own
    neurons: those of another fact of the relation, the most active ones, and random ones.

    Returns:
        Columns ``relation, pair, out, k, fall, whole``: the fall of the logit difference, and the difference itself.
    """
    found = {name: answer_neurons(model, pairs, layer) for name, pairs in names.items()}
    usual = torch.cat([part.activations for part in found.values()]).mean(0)
    generator, rows = torch.Generator().manual_seed(0), []
    for name, pairs in names.items():
        chosen, again = reworded(model, name, pairs)
        written, active = found[name].written[chosen], found[name].activations[chosen]
        orders = {
            "the fact's own": written.argsort(descending=True),
            "most active": active.argsort(descending=True),
            "another fact's": written.roll(1, 0).argsort(descending=True),
            "random": torch.rand(written.shape, generator=generator).argsort(),
        }
        cuts = [(out, k, ids[:, :k]) for out, ids in orders.items() for k in sizes]
        whole = logit_diff(again.clean_logits(model), again)
        for (out, k, _), left in zip(cuts, without_each(model, again, layer, [c[2] for c in cuts], usual), strict=True):
            columns = {"relation": name, "out": out, "k": k, "pair": chosen.tolist()}
            fall = whole - logit_diff(left, again)
            rows.append(pd.DataFrame(columns | {"fall": fall.tolist(), "whole": whole.tolist()}))
    return pd.concat(rows, ignore_index=True)
