"""Checks of the exercises in *In-context learning*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.models.network import Network, read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import residuals, run_layers
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, few_shot_prompts, part_names, right

QUESTIONS = 30
ASKED = (("person_occupation", 4), ("country_currency", 1))
PLACES = ((0, 7), (3, 2))


def gain_of(model, name: str, lines: int) -> tuple[float, float]:
    """The share of right answers with lines and, for the same questions, without."""
    shots = few_shot_prompts(name, QUESTIONS, lines)
    return right(model, shots).mean().item(), right(model, [s.without_lines() for s in shots]).mean().item()


@check
def gains(gain: Callable[[str, int], float], model) -> None:
    """``gain(name, lines)`` is the share of right answers with lines minus that of the same questions without."""
    for name, lines in ASKED:
        given = float(attempted(gain(name, lines)))
        lines_on, off = gain_of(model, name, lines)
        others = right(model, few_shot_prompts(name, QUESTIONS, 0)).mean().item()

        answer = Compared(given, lines_on - off, 1e-3)
        answer.isnt(off - lines_on, "the sign is the wrong way round: with lines minus without.")
        answer.isnt(lines_on, "that is the share with lines; take away the one without.")
        answer.isnt(lines_on - others, "those are other questions without lines: use without_lines().")
        answer.is_right(f"for {name} and {lines} lines it is {lines_on - off:.2f}, not {given:.2f}.")


def last_value_share(net: Network, tokenizer, one: FewShotPrompts, layer: int, head: int) -> tuple[float, float, float]:
    """Attention to the last value over that to all values; its last token alone over it; and over all attention."""
    names = part_names(tokenizer, one)
    tokens = torch.tensor([prompt_ids(tokenizer, one.prompt)], device=net.W_U.device)
    attention = run_layers(net, tokens)[0][layer].pattern[0, head, -1]
    values = [i for i, name in enumerate(names) if name == "value"]
    final = [i for i in values if "separator" not in names[i : values[-1]]]
    everything = attention[values].sum()
    last = attention[final].sum()
    return (last / everything).item(), (attention[values[-1]] / everything).item(), last.item()


@check
def looks_at_last(share: Callable[[FewShotPrompts, int, int], float], model, shots: Sequence[FewShotPrompts]) -> None:
    """``share(one, layer, head)``: of a head's attention to values, how much is on the last one."""
    net = read_network(model)
    for one in shots:
        for layer, head in PLACES:
            given = float(attempted(share(one, layer, head)))
            true, token, total = last_value_share(net, model.tokenizer, one, layer, head)

            answer = Compared(given, true, 1e-3)
            answer.isnt(total, "divide by the attention to all values, not by all attention.")
            answer.isnt(token, "a value may have several tokens: count all of the last value's.")
            answer.isnt(1 - true, "that is the share on the values before the last.")
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
    """``difference(shots, layer)`` is the mean input of a layer at the last token, with lines minus without."""
    net, bare = read_network(model), [s.without_lines() for s in shots]
    for layer in (2, 4):
        given = attempted(difference(list(shots), layer))
        expect(
            isinstance(given, Tensor) and given.shape == (net.W_U.shape[0],),
            f"return one vector of {net.W_U.shape[0]} numbers.",
        )
        (lists, means), (single, bare_means) = (states(net, model.tokenizer, s, layer) for s in (shots, bare))

        answer = Compared(given, lists - single, 1e-3)
        answer.isnt(lists, "take away the mean of the same questions without lines.")
        answer.isnt(single - lists, "the sign is the wrong way round: lists minus questions alone.")
        answer.isnt(means - bare_means, "only the last token counts, not the mean over positions.")
        before, after = ([states(net, model.tokenizer, s, layer + step)[0] for s in (shots, bare)] for step in (-1, 1))
        for near in (before, after):
            answer.isnt(near[0] - near[1], f"that is the input of another layer than {layer}.")
        answer.is_right(f"at layer {layer} the vector differs; is the MLP of layer {layer - 1} added?")
