"""An MLP as a sum of neurons: what each one writes, how few matter, and what is lost without them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.ablation import attention_out, qkv, resume
from helpers.heads import against_mean
from helpers.network import Network, read_network
from helpers.pairs import PromptPairs
from helpers.world import held_out_paraphrases, relation


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
def _run(net: Network, tokens: Int[Tensor, "batch pos"], layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """The residual before a layer's MLP, its neurons ``[batch pos neuron]``, and the final residual."""
    resid, kept = net.embed(tokens), ()
    for n, part in enumerate(net.layers):
        resid = resid + attention_out(part, net.attend(*qkv(part, part.norm1(resid))))
        active = part.neurons(part.norm2(resid))
        if n == layer:
            kept = resid, active
        resid = resid + active @ part.W_out + part.b_out
    return *kept, resid


def _check(net: Network, layer: int) -> None:
    if not 0 <= layer < len(net.layers):
        raise ValueError(f"the model has layers 0 to {len(net.layers) - 1}, not {layer}")


@torch.no_grad()
def answer_neurons(model, pairs: PromptPairs, layer: int, tokens: Int[Tensor, " batch"] | None = None) -> Neurons:
    """What each neuron of an MLP adds to the answer's logit at the last position of the clean prompts.

    Args:
        tokens: read these tokens' logits instead of the answers', one for each pair.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net = read_network(model)
    _check(net, layer)
    tokens = pairs.answer_ids if tokens is None else tokens
    out = net.layers[layer].W_out
    if net.norm.centred:
        out = out - out.mean(-1, keepdim=True)
    active = torch.empty(len(pairs), len(out), device=out.device)
    written = torch.empty_like(active)
    for chosen, group in pairs.groups():
        chosen = chosen.to(out.device)
        _, neurons, resid = _run(net, group.clean_tokens, layer)
        _, inverse = net.norm.standardize(resid[:, -1])
        directions = against_mean(net, tokens[chosen]) * net.norm.weight * inverse
        active[chosen] = neurons[:, -1]
        written[chosen] = neurons[:, -1] * (directions @ out.T)
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
    _check(net, layer)
    if len(chosen) != len(pairs):
        raise ValueError(f"there are {len(pairs)} pairs, but neurons are chosen for {len(chosen)}")
    out, result = net.layers[layer].W_out, torch.empty_like(pairs.reference)
    instead = torch.zeros(len(out), device=out.device) if instead is None else instead
    for places, group in pairs.groups():
        rows, ids = places.to(out.device), chosen[places.to(chosen.device)].to(out.device)
        before, neurons, _ = _run(net, group.clean_tokens, layer)
        now = neurons.clone()
        now[:, -1] = now[:, -1].scatter(-1, ids, instead[ids])
        after = before + now @ out + net.layers[layer].b_out
        result[rows] = resume(net, after, 2 * layer + 2)
    return result


def neuron_words(model, layer: int, neuron: int, k: int = 5) -> list[str]:
    """The ``k`` tokens whose logits a neuron's output vector raises most, read through the final norm's weights."""
    net = read_network(model)
    _check(net, layer)
    out = net.layers[layer].W_out[neuron]
    out = out - out.mean() if net.norm.centred else out
    return [model.tokenizer.decode([i]) for i in ((out * net.norm.weight) @ net.W_U).topk(k).indices.tolist()]


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
