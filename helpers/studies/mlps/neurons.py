"""An MLP neuron by neuron: what each adds to the answer, and what goes without some; where an answer comes first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.components.lens import against_mean
from helpers.models.network import read_network
from helpers.models.run import forward
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


@torch.no_grad()
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
    net = read_network(model)
    net.check_layer(layer)
    if len(chosen) != len(pairs):
        raise ValueError(f"there are {len(pairs)} pairs, but neurons are chosen for {len(chosen)}")
    out, parts = net.layers[layer].W_out, []
    instead = torch.zeros(len(out), device=out.device) if instead is None else instead
    for places, group in pairs.groups():
        ids = chosen[places.to(chosen.device)].to(out.device)
        for step in forward(net, net.embed(group.clean_tokens)):
            if step.sublayer == 2 * layer + 1:
                step.neurons[:, -1] = step.neurons[:, -1].scatter(-1, ids, instead[ids])
        parts.append((places, net.unembed(step.after[:, -1])))
    return in_places(parts)


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


def made_first(table: pd.DataFrame) -> pd.DataFrame:
    """Behind which stop the answer becomes the likeliest token and stays it, for each pair and place.

    Args:
        table: of `answer_by_layer`.

    Returns:
        Columns ``pair, place, stop, behind, part``; a pair whose answer isn't first in the end has no row.
    """
    answers = table[table.token == "answer"].sort_values("stop", ascending=False)
    stays = answers.assign(first=answers["rank"] == 1).groupby(["pair", "place"])["first"].cummin()
    answers = answers[stays.loc[answers.index].astype(bool)]
    first = answers.loc[answers.groupby(["pair", "place"]).stop.idxmin()]
    return first[["pair", "place", "stop", "behind", "part"]].reset_index(drop=True)
