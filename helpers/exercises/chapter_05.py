"""Checks of the exercises in *What the MLPs write, and what relations share*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.circuits.metrics import logit_diff
from helpers.components.lens import lens_logits
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.models.network import read_network
from helpers.models.predict import answer_ids, prompt_ids
from helpers.models.run import residuals
from helpers.prompts.pairs import PromptPairs
from helpers.studies.grouping import grouping_test
from helpers.studies.mlps.cuts import run_replaced, sublayer_writes

QUESTIONS = (("The capital of France is", " Paris"), ("The past tense of go is", " went"))


@check
def right_rank(answer_rank: Callable[..., int], model) -> None:
    """``answer_rank(model, prompt, answer, layer, position)`` reads the stream behind a layer's MLP."""
    net, seen = read_network(model), []
    for prompt, answer in QUESTIONS:
        tokens = torch.tensor([prompt_ids(model.tokenizer, prompt)])
        token = answer_ids(model.tokenizer, prompt, answer)[0]
        stops = residuals(net, tokens)
        for layer in range(len(net.layers)):
            for position in (-1, 3):
                given = int(attempted(answer_rank(model, prompt, answer, layer, position)))
                behind = stops[2 * layer + 2, 0, position]
                ways = {
                    "right": lens_logits(net, behind),
                    "bare": lens_logits(net, behind, "no norm"),
                    "before": lens_logits(net, stops[2 * layer, 0, position]),
                    "middle": lens_logits(net, stops[2 * layer + 1, 0, position]),
                    "last": lens_logits(net, stops[2 * layer + 2, 0, -1]),
                }
                ranks = {name: int((logits > logits[token]).sum()) + 1 for name, logits in ways.items()}
                seen.append({"given": given, **ranks})
    table = pd.DataFrame(seen)
    expect(not (table.given == table.right - 1).all(), "the likeliest token has rank 1, not 0.")
    expect(not (table.given == table.bare).all(), "that leaves out the final norm; the model never reads without it.")
    expect(not (table.given == table.before).all(), "that reads before the layer; take hook_resid_post.")
    expect(not (table.given == table.middle).all(), "that reads between attention and MLP; take hook_resid_post.")
    expect(not (table.given == table["last"]).all(), "that always reads the last position; use ``position``.")
    wrong = table[table.given != table.right]
    expect(wrong.empty, f"{len(wrong)} of {len(table)} ranks differ from the model's own reading.")


@check
def few_neurons(few: Callable[[Tensor, float], Tensor]) -> None:
    """``few(written, share)`` counts the strongest neurons that reach a share of the whole."""
    written = torch.tensor(
        [[1.0, 4.0, -3.0, 2.0, 0.5], [0.2, 0.2, 0.2, 0.2, 0.2], [-9.0, 6.0, 5.0, 1.0, 1.0], [3.0, 1.0, 0.0, 0.0, 0.0]]
    )
    for share in (0.5, 0.9):
        given = torch.as_tensor(attempted(few(written.clone(), share))).flatten().tolist()
        expect(len(given) == len(written), f"return one number for each of the {len(written)} rows.")
        whole = {
            "right": (written, written.sum(-1)),
            "positive": (written, written.clamp_min(0).sum(-1)),
            "absolute": (written.abs(), written.abs().sum(-1)),
        }
        counts = {}
        for name, (values, total) in whole.items():
            reached = values.sort(-1, descending=True).values.cumsum(-1) >= share * total[:, None] - 1e-6
            counts[name] = (reached.int().argmax(-1) + 1).tolist()
        if given == counts["right"]:
            continue
        expect(given != [n - 1 for n in counts["right"]], "count the neuron that reaches the share too: add 1.")
        expect(given != counts["absolute"], "a neuron that writes against the answer doesn't help; keep the signs.")
        expect(given != counts["positive"], "the whole is the sum of all neurons, those against the answer included.")
        expect(False, f"for a share of {share} it is {counts['right']}, not {given}. Are the neurons sorted?")


@check
def only_there(lost_at: Callable[..., float], model, pairs: PromptPairs) -> None:
    """``lost_at(model, pairs, layer, place)`` replaces an MLP's output at some positions."""
    group, net = max((g for _, g in pairs.groups()), key=len), read_network(model)
    corrupt = sublayer_writes(net, group.corrupt_tokens)
    full = logit_diff(group.clean_logits(model), group)

    def fall(layer: int, mask: Tensor, instead: Tensor | None = None) -> float:
        written = corrupt[layer, "MLP"] if instead is None else instead
        logits = run_replaced(net, group.clean_tokens, {(layer, "MLP"): written}, mask)
        return (full - logit_diff(logits, group)).mean().item()

    everywhere = torch.ones_like(group.positions("last"))
    for layer, place in ((0, "last"), (0, "subject"), (len(net.layers) - 1, "last")):
        given, mask = float(attempted(lost_at(model, group, layer, place))), group.positions(place)
        right = fall(layer, mask)
        if abs(given - right) < 2e-3:
            continue
        zero = -net.layers[layer].b_out.expand_as(corrupt[layer, "MLP"])
        answer = Compared(given, right, 2e-3)
        answer.isnt(-right, "a loss is positive where the difference falls: the model's minus the cut's.")
        expect(abs(given) > 1e-4, "nothing changed; does the hook return the new value, and is its name right?")
        answer.isnt(fall(layer, everywhere), "that replaces the output everywhere, not only there.")
        answer.isnt(fall(layer, ~mask), "that replaces it everywhere else; the mask is the wrong way.")
        answer.isnt(fall(layer, mask, zero), "that writes nothing there; take the corrupt prompt's.")
        expect(False, f"m{layer} at {place!r} costs {right:.3f} logits, not {given:.3f}.")


def _hub(n: int, seed: int) -> np.ndarray:
    """Overlaps in which some circuits share much with all others, and no grouping matters."""
    rng = np.random.default_rng(seed)
    size = rng.random(n)
    values = size[:, None] + size[None] + 0.05 * rng.random((n, n))
    values = (values + values.T) / 4
    np.fill_diagonal(values, 1)
    return values


@check
def shuffled(shuffled_p: Callable[..., float]) -> None:
    """``shuffled_p(overlap, groups, shuffles, seed)`` compares a grouping with shuffled ones."""
    groups: Sequence[str] = ["a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c"]
    same = np.array(groups)[:, None] == np.array(groups)[None]
    clear = np.where(same, 0.8, 0.2).astype(float)
    np.fill_diagonal(clear, 1)
    given = float(attempted(shuffled_p(pd.DataFrame(clear), groups, 99, 0)))
    expect(given > 0, "a p of 0 claims more than 99 shuffles can show; count the real grouping too.")
    expect(given < 0.5, "clear groups get a large p; do you count the shuffles that fit *at least as well*?")
    expect(abs(given - 0.01) < 0.006, f"with clear groups no shuffle fits as well: p is 1 in 100, not {given:.3f}.")
    backwards = 1 - clear
    np.fill_diagonal(backwards, 1)
    given = float(shuffled_p(pd.DataFrame(backwards), groups, 99, 0))
    expect(given > 0.9, "circuits that share more *across* groups don't follow them; mind the sign, and the diagonal.")
    hub = _hub(len(groups), seed=2)
    order = np.argsort(-hub.sum(1))
    hub = pd.DataFrame(hub[np.ix_(order, order)])
    given, right = float(shuffled_p(hub, groups, 400, 0)), grouping_test(hub, groups, shuffles=400).p_gap
    expect(
        abs(given - right) < 0.12,
        f"where some circuits share much with all, p is about {right:.2f}, not {given:.2f}; shuffle the labels of the "
        "rows, not the entries of the table.",
    )
