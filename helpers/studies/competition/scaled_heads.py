"""One head turned up or down: which side of a knowledge conflict wins then (Yu, Merullo and Pavlick 2023)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.metrics import logit_diff
from helpers.models.network import Network, read_network
from helpers.models.predict import logits_after
from helpers.models.run import forward, head_writes
from helpers.prompts.pairs import PromptPairs
from helpers.studies.competition.conflicts import KnowledgeConflicts

FACTORS = (-6.0, -3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0)


@torch.no_grad()
def direct_gap(net: Network, pairs: PromptPairs) -> Float[Tensor, "layer head"]:
    """What each head at the last position writes to the answer's logit minus the wrong one's; mean over pairs."""
    total = torch.zeros(len(net.layers), net.n_heads)
    for _, group in pairs.groups():
        direction = (net.W_U[:, group.answer_ids] - net.W_U[:, group.wrong_ids]).T
        resid, writes = net.embed(group.clean_tokens), []
        for step in forward(net, resid):
            if not step.is_mlp:
                writes.append(head_writes(step.layer, step.z[:, -1:])[:, :, 0])
            resid = step.after
        end = resid[:, -1]
        for layer, write in enumerate(writes):
            total[layer] += (net.norm.share(write, end) * direction).sum(-1).sum(-1).cpu()
    return total / len(pairs)


def with_scaled_head(net: Network, layer: int, head: int, factor: float) -> Network:
    """The network with everything that one head writes multiplied by a factor; 1 changes nothing."""
    writes = net.layers[layer].W_O.clone()
    writes[head] *= factor
    layers = list(net.layers)
    layers[layer] = replace(layers[layer], W_O=writes)
    return replace(net, layers=tuple(layers))


def scaled_gap(net: Network, pairs: PromptPairs, layer: int, head: int, factor: float) -> Float[Tensor, " batch"]:
    """The conflicts' logit differences, memory minus copy, with a scaled head."""
    return logit_diff(logits_after(with_scaled_head(net, layer, head, factor), pairs.clean_ids)[:, 0], pairs)


def scaled_rows(model, train: KnowledgeConflicts, test: KnowledgeConflicts) -> Iterator[dict[str, object]]:
    """The memory head, the copy head and another head of each one's layer, with the factor that is best for each side.

    The heads with the largest direct contribution to either side, and the factor that makes most training conflicts end
    with this side ahead; judged on the test conflicts.

    Yields:
        ``role`` (such as ``"memory head"``, or ``"beside the memory head"`` in its layer), ``head, side`` (the one that
        is to win), ``factor, conflicts``, in how many of them this side's token is ahead (``wins``) and was ``before``.
    """
    net, rng = read_network(model), random.Random(0)
    before = logit_diff(test.both.clean_logits(model), test.both)
    gaps = direct_gap(net, train.both)
    for role, place in (("memory head", gaps.argmax()), ("copy head", gaps.argmin())):
        layer, head = divmod(int(place), net.n_heads)
        another = rng.choice([h for h in range(net.n_heads) if h != head])
        for name, number in ((role, head), (f"beside the {role}", another)):
            trials = {f: scaled_gap(net, train.both, layer, number, f).double() for f in FACTORS}
            for side, sign in (("memory", 1), ("copy", -1)):
                share = {f: ((sign * gap) > 0).double().mean().item() for f, gap in trials.items()}
                best = max(FACTORS, key=lambda f: (share[f], -abs(f - 1)))
                after = scaled_gap(net, test.both, layer, number, best)
                row = dict(role=name, head=f"a{layer}.h{number}", side=side, factor=best, conflicts=len(after))
                yield row | dict(wins=int((sign * after > 0).sum()), before=int((sign * before > 0).sum()))
