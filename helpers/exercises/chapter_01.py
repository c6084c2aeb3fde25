"""Checks of the exercises in *What does this model know?*"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from transformer_lens.tools.analysis import logit_lens

from helpers.exercises.kit import Compared, attempted, check, expect, number
from helpers.models.predict import answer_ids
from helpers.prompts.relations import Relation, relation
from helpers.studies.what_does_it_know.recall import guesser_share

NEVER = "never"


@check
def fair_choice(fair_recall: Callable[[np.ndarray], float]) -> None:
    """``fair_recall(hits)`` is the recall on odd facts of the wording that is best on even facts, [wording, fact]."""
    for seed in range(4):
        hits = (np.random.default_rng(seed).random((8, 24)) < 0.5).astype(float)
        best, other = seed, (seed + 1) % 8  # best on even facts, and best on odd ones
        hits[best, ::2], hits[best, 1::2], hits[other, 1::2] = 1, 0, 1
        hits[best, :2] = 0, 1
        given = number(attempted(fair_recall(hits.copy())))
        even, odd, whole = hits[:, ::2].mean(1), hits[:, 1::2].mean(1), hits.mean(1)
        answer = Compared(given, odd[even.argmax()])
        answer.isnt(whole.max(), "chosen and judged on the same facts, all of them: that is what flatters.")
        answer.isnt(even.max(), "chosen and judged on the even facts; the odd ones are there to judge.")
        answer.isnt(odd.max(), "the odd facts may only judge; here they choose, too.")
        answer.isnt(whole[even.argmax()], "judge on the odd facts alone; the even ones have chosen this wording.")
        answer.isnt(even[odd.argmax()], "choose on the even facts and judge on the odd ones, not the other way round.")
        answer.is_right(f"here it is {odd[even.argmax()]:.3f}, not {given:.3f}.")


@check
def chance(baseline: Callable[[Relation], float]) -> None:
    """``baseline(relation)`` is the best recall without looking at the subject."""
    for name in ("country_continent", "substance_phase", "country_capital", "person_occupation"):
        asked = relation(name)
        right, given = guesser_share(asked), attempted(baseline(asked))
        uniform = 1 / len(asked.answers)
        counted = f"{name} has {len(asked.answers)} answers"
        answer = Compared(given, right)
        answer.isnt(
            uniform, f"{counted}, but they aren't equally frequent; who always says the most frequent one does better."
        )
        expect(given <= 1, f"for {name} you give {given:.3g}; a recall is a share, so divide by the number of facts.")
        answer.is_right(f"for {name} it is {right:.3f}, not {given:.3f}.")


@check
def settled_layer(first_settled: Callable[[str, str], int], model, questions: list[tuple[str, str]]) -> None:
    """``first_settled(prompt, answer)`` is the number of layers after which the answer has rank 1 and keeps it."""
    for prompt, answer in questions:
        given = attempted(first_settled(prompt, answer))
        target = answer_ids(model.tokenizer, prompt, answer)[0]
        ranks = [1 + int(rank) for rank in logit_lens(model, prompt, targets=target).rank_trajectory(target).flatten()]
        wrong = [depth for depth, rank in enumerate(ranks) if rank != 1]
        right = wrong[-1] + 1 if wrong else 0
        first = ranks.index(1) if 1 in ranks else len(ranks)
        asked = f"after {prompt!r}, the ranks of {answer!r} are {ranks} (the embedding first)"
        expect(given == right or given != first, f"{asked}: rank 1 is reached after {first} layers, but lost again.")
        expect(given != right - 1, f"{asked}: count layers, so 0 stands for the embedding, before the first layer.")
        expect(given == right, f"{asked}: from {right} layers on, not {given}.")


@check
def arrives(arrival: Callable[[np.ndarray], int | str]) -> None:
    """``arrival(shares)`` is the first layer from which on the last token recovers more than half, [layer, token]."""
    falls, rises = [1.0, 0.9, 0.8, 0.4, 0.1, 0.0], [0.0, 0.2, 0.4, 0.7, 0.9, 1.0]
    slips = [0.0, 0.6, 0.4, 0.3, 0.8, 1.0]  # above a half for one layer, and below it again
    for last, right in ((rises, 3), (slips, 4), ([0.6] * 6, 0), ([0.0] * 5 + [0.5], NEVER)):
        given = attempted(arrival(np.array([[0.0] * 6, falls, last]).T))
        first = next((n for n, share in enumerate(last) if share > 0.5), NEVER)
        here = f"with the shares {last} at the last token"
        expect(
            given == right or given != first, f"{here}, {first} is the first layer above a half, but it falls again."
        )
        expect(given == right or right != NEVER, f"{here}, no layer is above a half: return {NEVER!r}.")
        expect(
            given == right or given != 2, f"{here}: you read another token's column; the last token is the last one."
        )
        expect(given == right, f"{here} it is layer {right}, not {given}.")
