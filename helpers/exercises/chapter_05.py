"""Checks of the exercises in *What the MLPs write*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


@check
def single_words(told_by_one: Callable[[list[tuple[str, ...]]], Sequence[bool]]) -> None:
    """``told_by_one(names)`` says of each name whether one of its words is in no other."""
    names = [("Ada", "Bell"), ("Ada", "Cole"), ("Bell", "Cole"), ("Dee",), ("Cole", "Eve"), ("Fay", "Fay"), ("Bell",)]
    right = [False, False, False, True, True, True, False]
    ways = {
        "the length decides nothing: a name of one word may be part of others, and one of two may have a word of its "
        "own.": [len(name) == 1 for name in names],
        "look at all words of a name, not only at the first.": [False, False, False, True, False, True, False],
        "a word that comes twice in one name still is in one name only.": [*right[:5], False, False],
        "that asks whether the whole name is another's; ask about single words.": [True] * len(names),
        "that is the wrong way round: True where one word is enough.": [not told for told in right],
    }
    given = [bool(told) for told in attempted(told_by_one(list(names)))]
    expect(len(given) == len(names), f"return one value for each of the {len(names)} names.")
    for why, wrong in ways.items():
        expect(given != wrong, why)
    missed = [" ".join(n) for n, g, r in zip(names, given, right, strict=True) if g != r]
    expect(not missed, f"of the names {', '.join(' '.join(n) for n in names)}, these are wrong: {', '.join(missed)}.")
