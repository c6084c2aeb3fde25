"""Checks of the exercises in *What the heads do*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.components.heads import ablate_heads, measure_heads
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs
from helpers.studies.head_agreement import kappa
from helpers.studies.heads.head_tables import logit_drops


@check
def times_uniform(multiple: Callable[[Tensor, slice], Tensor]) -> None:
    """``multiple(pattern, span)``: attention from the last position to a span, in multiples of uniform attention."""
    generator = torch.Generator().manual_seed(0)
    for n, span in ((6, slice(2, 3)), (9, slice(3, 6)), (5, slice(1, 5))):
        pattern = torch.randn(4, n, n, generator=generator).tril().exp().tril()  # [head pos key]
        pattern = pattern / pattern.sum(-1, keepdim=True)
        given = attempted(multiple(pattern, span))
        expect(isinstance(given, Tensor) and given.shape == (4,), "return one number for each head, a tensor [head].")

        width, right = span.stop - span.start, pattern[:, -1, span].sum(-1) * n / (span.stop - span.start)
        answer = Compared(given, right, 1e-5)
        answer.isnt(right * width / n, "that is the attention itself; divide by what uniform attention would give.")
        answer.isnt(pattern[:, span, -1].sum(-1) * n / width, "rows look, columns are looked at.")
        answer.isnt(pattern[:, :, span].mean(1).sum(-1) * n / width, "from the last position only, not from them all.")
        answer.isnt(right * width, "uniform attention gives a wider span more: its width over all.")
        answer.is_right("uniform attention from the last position gives each of all positions the same.")


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
