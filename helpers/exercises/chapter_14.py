"""Checks of the exercises in *In-context learning*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.models.network import Network, read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import residuals, run_layers
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, part_names

LOOKED = (  # attention from the last token, and the part that each token belongs to
    ([0.1, 0.2, 0.3, 0.2, 0.1, 0.1], ["input", "input", "label", "label", "query", "end"]),
    (
        [0.1, 0.1, 0.2, 0.1, 0.2, 0.1, 0.1, 0.1],
        ["first", "input", "label", "label", "separator", "input", "query", "end"],
    ),
    ([0.0, 0.2, 0.6, 0.2], ["first", "label", "label", "end"]),
)
PLACES = ((0, 3), (3, 2))


@check
def against_even(ratio: Callable[[list[float], list[str], str], float]) -> None:
    """``ratio(attention, parts, part)``: how often a token of a part gets what even attention would give it."""
    for attention, parts in LOOKED:
        for part in dict.fromkeys(parts):
            given = float(attempted(ratio(list(attention), list(parts), part)))
            mass = sum(a for a, name in zip(attention, parts, strict=True) if name == part)
            count, kinds = parts.count(part), len(set(parts))

            answer = Compared(given, mass * len(parts) / count, 1e-6)
            answer.isnt(
                mass, "that is the sum: a part of many tokens gets much of it from a head that prefers nothing."
            )
            answer.isnt(mass / count, "that is the attention to one token: compare it with what even attention gives.")
            answer.isnt(mass * kinds, "even attention gives each *token* the same, not each part.")
            answer.isnt(count / len(parts) / mass if mass else -1, "that is upside down: 2 has to mean twice as much.")
            answer.is_right(f"for {part!r} in {parts} it is {mass * len(parts) / count:.2f}, not {given:.2f}.")


def last_label_share(net: Network, tokenizer, one: FewShotPrompts, layer: int, head: int) -> tuple[float, float, float]:
    """Attention to the last label over that to all labels; its last token alone over it; and over all attention."""
    names = part_names(tokenizer, one)
    tokens = torch.tensor([prompt_ids(tokenizer, one.prompt)], device=net.W_U.device)
    attention = run_layers(net, tokens)[0][layer].pattern[0, head, -1]
    labels = [i for i, name in enumerate(names) if name == "label"]
    final = [i for i in labels if "separator" not in names[i : labels[-1]]]
    everything = attention[labels].sum()
    last = attention[final].sum()
    return (last / everything).item(), (attention[labels[-1]] / everything).item(), last.item()


@check
def looks_at_last(share: Callable[[FewShotPrompts, int, int], float], model, shots: Sequence[FewShotPrompts]) -> None:
    """``share(one, layer, head)``: of a head's attention to labels, how much is on the last one."""
    net = read_network(model)
    for one in shots:
        for layer, head in PLACES:
            given = float(attempted(share(one, layer, head)))
            true, token, total = last_label_share(net, model.tokenizer, one, layer, head)

            answer = Compared(given, true, 1e-3)
            answer.isnt(total, "divide by the attention to all labels, not by all attention.")
            answer.isnt(token, "a label may have several tokens: count all of the last label's.")
            answer.isnt(1 - true, "that is the share on the labels before the last.")
            answer.is_right(f"for a{layer}.h{head} and {one.prompt!r} it is {true:.3f}, not {given:.3f}.")


@torch.no_grad()
def states(net: Network, tokenizer, shots: Sequence[FewShotPrompts], layer: int) -> tuple[Tensor, Tensor]:
    """The mean input of a layer at the last token, and on the mean over all positions."""
    last = everywhere = 0.0
    for one in shots:
        tokens = torch.tensor([prompt_ids(tokenizer, one.prompt)], device=net.W_U.device)
        x = residuals(net, tokens)[2 * layer, 0]
        last, everywhere = last + x[-1] / len(shots), everywhere + x.mean(0) / len(shots)
    return last, everywhere


@check
def differs(
    difference: Callable[[Sequence[FewShotPrompts], int], Tensor], model, shots: Sequence[FewShotPrompts]
) -> None:
    """``difference(shots, layer)`` is the mean input of a layer at the last token: lists minus bare queries."""
    net, bare = read_network(model), [s.without_demonstrations() for s in shots]
    for layer in (2, 4):
        given = attempted(difference(list(shots), layer))
        expect(
            isinstance(given, Tensor) and given.shape == (net.W_U.shape[0],),
            f"return one vector of {net.W_U.shape[0]} numbers.",
        )
        (lists, means), (single, bare_means) = (states(net, model.tokenizer, s, layer) for s in (shots, bare))

        answer = Compared(given, lists - single, 1e-3)
        answer.isnt(lists, "take away the mean of the same queries without demonstrations.")
        answer.isnt(single - lists, "the sign is the wrong way round: lists minus queries alone.")
        answer.isnt(means - bare_means, "only the last token counts, not the mean over positions.")
        before, after = ([states(net, model.tokenizer, s, layer + step)[0] for s in (shots, bare)] for step in (-1, 1))
        for near in (before, after):
            answer.isnt(near[0] - near[1], f"that is the input of another layer than {layer}.")
        answer.is_right(f"at layer {layer} the vector differs; is the MLP of layer {layer - 1} added?")
