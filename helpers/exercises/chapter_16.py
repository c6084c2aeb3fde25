"""Checks of the exercises in *How circuits form*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.evaluation import faithfulness
from helpers.exercises.kit import Compared, attempted, check, expect, number
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig

ROWS = (  # of three relations each: kept early, permuted early, kept at the end, permuted at the end
    ((0.5, 0.6, 0.4), (0.3, 0.5, 0.3), (0.9, 0.7, 0.8), (0.4, 0.6, 0.3)),
    ((0.2, 0.8, 0.3), (0.1, 0.2, 0.3), (0.6, 0.9, 0.5), (0.5, 0.2, 0.3)),
)


def ways_to_come(early: Sequence[float], early_chance: Sequence[float], end: Sequence[float],
                 end_chance: Sequence[float]) -> dict[str, float]:  # fmt: skip
    """The right progress, and those that plausible mistakes give."""
    rows = np.array([early, early_chance, end, end_chance])
    now, start, last, end_start = rows.mean(1)
    ratios = (rows[0] - rows[1]) / (rows[2] - rows[3])
    return {
        "right": (now - start) / (last - end_start),
        "ratios": ratios.mean(),
        "no chance": now / last,
        "early chance": (now - start) / last,
        "end's chance": (now - end_start) / (last - end_start),
        "difference": now - start,
    }


@check
def progresses(function: Callable[..., float]) -> None:
    """``function(early, early_chance, end, end_chance)`` is how much of the final gain over chance is there."""
    for row in ROWS:
        given, truth = number(attempted(function(*map(list, row)))), ways_to_come(*row)
        answer = Compared(given, float(truth["right"]))
        answer.isnt(
            truth["ratios"], "a relation that gains hardly anything decides a mean of ratios: take means first."
        )
        answer.isnt(
            truth["no chance"], "head-permuted circuits keep something, too: take it away, early and at the end."
        )
        answer.isnt(truth["early chance"], "1 has to mean as much as at the end: chance is taken away there, too.")
        answer.isnt(truth["end's chance"], "the early circuit has a chance of its own: that of its own permuted heads.")
        answer.isnt(truth["difference"], "that is the early gain; divide it by the final one.")
        answer.is_right(f"for {row} it is {truth['right']:.3f}, not {given:.3f}.")


SIZE = 60


def transfers(early, last, train: PromptPairs, test: PromptPairs) -> dict[str, float]:
    """Faithfulness of an early circuit's edges in the finished model, and what plausible mistakes give."""
    first, final = (eap_ig(m, train).greedy(SIZE) for m in (early, last))
    return {
        "right": float(faithfulness(last, first, test)),
        "early": float(faithfulness(early, first, test)),
        "own": float(faithfulness(last, final, test)),
        "back": float(faithfulness(early, final, test)),
        "train": float(faithfulness(last, first, train)),
    }


@check
def carries(function: Callable[..., float], early, last, train: PromptPairs, test: PromptPairs) -> None:
    """``function(early, last, train, test)``: what an early circuit of 60 edges keeps in the finished model."""
    given, truth = float(attempted(function(early, last, train, test))), transfers(early, last, train, test)

    answer = Compared(given, truth["right"], 2e-3)
    answer.isnt(truth["early"], "the circuit is judged in the early model; judge it in the finished one.")
    answer.isnt(truth["own"], "that circuit was found in the finished model; find it in the early one.")
    answer.isnt(truth["back"], "that is the way back: the finished model's edges in the early model.")
    answer.isnt(truth["train"], "judge it on the test pairs: on the train pairs it was found.")
    answer.is_right(f"it is {truth['right']:.3f}, not {given:.3f}; {SIZE} edges, chosen with greedy()?")


Vectors = Float[Tensor, "token d_model"]


def ways_to_lengthen(early: Vectors, late: Vectors) -> dict[str, Vectors]:
    """The right control, and what plausible mistakes give."""
    ours, theirs = (rows.norm(dim=1, keepdim=True) for rows in (early, late))
    return {
        "right": early / ours * theirs,
        "late": late.clone(),
        "turned": late / theirs * ours,
        "one factor": early * (theirs.mean() / ours.mean()),
        "unit": early / ours,
        "columns": early / early.norm(dim=0) * late.norm(dim=0),
    }


@check
def lengthens(function: Callable[[Vectors, Vectors], Vectors]) -> None:
    """``function(early, late)``: the early token vectors, each as long as the late one of the same token."""
    generator = torch.Generator().manual_seed(16)
    early, late = (torch.randn(6, 4, generator=generator) * torch.arange(1, 7)[:, None] for _ in range(2))
    before = early.clone(), late.clone()
    given = torch.as_tensor(attempted(function(early, late)))
    expect(torch.equal(early, before[0]) and torch.equal(late, before[1]), "leave the given vectors as they are.")
    expect(given.shape == early.shape, f"return as many vectors as there are tokens: {list(early.shape)}.")
    truth = ways_to_lengthen(early, late)
    answer = Compared(given, truth["right"], 1e-5)
    answer.isnt(truth["late"], "those are the later vectors themselves; a control holds one thing back.")
    answer.isnt(truth["turned"], "you took the later directions and kept the lengths. Which of them is the confounder?")
    answer.isnt(truth["one factor"], "each vector got longer by a factor of its own, not all by one.")
    answer.isnt(truth["unit"], "now all are equally long; they have to be as long as the later ones.")
    answer.isnt(truth["columns"], "a token's vector is a row: sum over its entries, not over the tokens.")
    answer.is_right("the directions have to be the early ones, the lengths the later ones, token by token.")
