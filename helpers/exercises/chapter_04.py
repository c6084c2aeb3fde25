"""Checks of the exercises in *What the heads do*."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pandas as pd

from helpers.components.heads import ablate_heads, measure_heads
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.studies.head_agreement import kappa
from helpers.studies.heads.knockouts import logit_drops


@check
def looks_in_vain(looks_only: Callable[[pd.DataFrame], Collection[str]]) -> None:
    """``looks_only(measured)``: the heads with most of their attention on the subject that don't change the answer."""
    for model_diff in (5.0, 20.0):
        rows = [("a0.h0", 0.9, 0.0), ("a0.h1", 0.9, 0.9), ("a1.h0", 0.6, -0.03), ("a1.h1", 0.8, 0.01)]
        rows += [("a2.h0", 0.7, -0.8), ("a2.h1", 0.1, 0.0), ("a3.h0", 0.3, 0.9), ("a3.h1", 0.55, 0.015)]
        measured = pd.DataFrame(rows, columns=["head", "to_subject", "effect_from_subject"]).assign(
            model_diff=model_diff
        )
        measured["effect_from_subject"] *= 5.0
        given = attempted(looks_only(measured))
        expect(not isinstance(given, (str, bool, float)), "return the names of several heads, a list.")
        given = set(given)
        expect(given <= set(measured["head"]), "return names, as they stand in the column `head`.")
        looks, size = measured.to_subject > 0.5, measured.effect_from_subject.abs()
        matters = size >= 0.02 * model_diff

        def those(chosen: pd.Series, measured: pd.DataFrame = measured) -> set[str]:
            return set(measured["head"][chosen])

        expect(given != those(looks & matters), "these do matter; the others of those that look are asked for.")
        expect(given != those(looks), "these all look at the subject; leave out those that matter.")
        expect(given != those(~matters), "these all don't matter; keep those that look at the subject.")
        signed = measured.effect_from_subject < 0.02 * model_diff
        expect(
            given != those(looks & signed), "a head that works against the answer matters, too: take the effect's size."
        )
        expect(given != those(looks & (size < 0.02)), "2 % of the model's logit difference, not 0.02 logits.")
        expect(
            given == those(looks & ~matters), "more than half of the attention, and less than 2 % of the difference."
        )


@check
def chance_corrected(by_hand: Callable[[Sequence[str], Sequence[str]], float]) -> None:
    """``by_hand(first, second)`` is Cohen's kappa of two namings."""
    namings = [
        (["mover"] * 3 + ["none"] * 9, ["mover"] * 2 + ["none"] * 10),
        (["mover", "relation", "none", "none"] * 3, ["mover", "none", "none", "relation"] * 3),
        (["none"] * 10 + ["mover", "relation"], ["none"] * 10 + ["relation", "mover"]),
    ]
    for first, second in namings:
        given, right = float(attempted(by_hand(first, second))), kappa(first, second)
        raw = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
        answer = Compared(given, right)
        answer.isnt(
            raw, "that is the plain share of equal names; most heads have no class, so chance alone makes it high."
        )
        classes = {*first, *second}
        even = (raw - 1 / len(classes)) / (1 - 1 / len(classes))
        answer.isnt(even, "chance isn't even among the classes: it follows how often each naming uses each of them.")
        answer.is_right(f"for {first} and {second} it is {right:.3f}, not {given:.3f}.")


@check
def together(beyond_sum: Callable[..., float], model, pairs: PromptPairs, heads: Sequence[str]) -> None:
    """``beyond_sum(model, pairs, heads)``: the answer's fall with all heads silent, less its single logit_drops."""

    def fall(names: Sequence[str]) -> float:
        return logit_drops(pairs.clean_logits(model), ablate_heads(model, pairs, names), pairs)["answer"].mean().item()

    for chosen in (list(heads), list(heads)[:2]):
        given = float(attempted(beyond_sum(model, pairs, chosen)))
        joint, alone = fall(chosen), [fall([head]) for head in chosen]
        right = joint - sum(alone)
        answer = Compared(given, right, 1e-3)
        answer.isnt(joint, "that is the fall with all of them silent; take off what each does alone.")
        answer.isnt(-right, "the other way round: joint less the sum of the single ones.")
        answer.isnt(joint - sum(alone) / len(alone), "take off the sum of the single falls, not their mean.")
        expect(abs(given - right) < 1e-2, f"for {', '.join(chosen)} it is {right:.2f} logits, not {given:.2f}.")


@check
def only_what_it_brings(effect: Callable[..., float], model, pairs: PromptPairs, heads: Sequence[str]) -> None:
    """``effect(model, pairs, head)``: the fall when what a head brings from the subject is the corrupt prompt's."""
    measured = measure_heads(model, pairs).set_index("head")
    for head in heads:
        given, row = float(attempted(effect(model, pairs, head))), measured.loc[head]
        answer = Compared(given, row.effect_from_subject, 1e-3)
        answer.isnt(
            row.effect,
            "that exchanges all that the head writes, at all positions; exchange only what it brings to the last one.",
        )
        answer.isnt(-answer.right, "a head that helps has a positive effect: whole model less the changed run.")
        expect(
            abs(given - row.effect_from_subject) < 5e-3,
            f"for {head} it is {row.effect_from_subject:.3f}, not {given:.3f}. Is it the subject's part of z only, "
            "with the corrupt run's attention and values?",
        )
