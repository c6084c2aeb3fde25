"""Checks of the exercises in *Editing inside circuits*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.studies.editing_inside_circuits.masks import ParameterMask, full_mask, maskable, random_mask, top_mask
from helpers.studies.editing_inside_circuits.search import mask_gradient, right_nll
from helpers.studies.editing_inside_circuits.tasks import MaskTask


@check
def importance(scores: Callable[[MaskTask], dict[str, Tensor]], model, task: MaskTask) -> None:
    """``scores(task)`` gives each maskable weight its first-order score in the whole model."""
    some = task.sample(8, 1)
    given = attempted(scores(some))
    whole = maskable(model)
    expect(isinstance(given, dict) and set(given) == set(whole), "return a dict with every name of maskable(model).")
    signed = mask_gradient(model, some, full_mask(model), right_nll)
    name = max(signed, key=lambda n: float(signed[n].abs().max()))
    mine, right = given[name], signed[name].abs()
    expect(mine.shape == right.shape, f"the scores of {name} need the weight's shape {list(right.shape)}.")

    answer = Compared(mine, right, 1e-5, rtol=1e-3)
    answer.isnt(signed[name], "that has a sign: a weight that does harm is important, too.")
    size = whole[name].detach().abs()
    answer.isnt(size, "that is the weight's size alone: nothing has asked the task.")
    answer.isnt(right / (size + 1e-12), "that is the gradient alone; how far is the weight from 0?")
    answer.is_right(f"the largest score in {name} is {right.max():.4f}, not {mine.max():.4f}.")


def uneven() -> tuple[ParameterMask, ParameterMask]:
    """Two masks that keep much of a small tensor and little of a large one."""
    generator = torch.Generator().manual_seed(0)
    sizes, shares = {"norm": 400, "matrix": 9600}, ({"norm": 0.9, "matrix": 0.05}, {"norm": 0.8, "matrix": 0.1})
    return tuple(
        ParameterMask({name: torch.rand(n, generator=generator) < share[name] for name, n in sizes.items()})
        for share in shares
    )


def _mean_by_tensor(one: ParameterMask, two: ParameterMask) -> float:
    shared = {name: one.counts[name] * two.counts[name] / part.numel() for name, part in one.kept.items()}
    return sum(s / (one.counts[name] + two.counts[name] - s) for name, s in shared.items()) / len(shared)


@check
def by_chance(expected: Callable[[ParameterMask, ParameterMask], float]) -> None:
    """``expected(one, two)`` is the overlap of two random masks with these two profiles."""
    one, two = uneven()
    given = attempted(expected(one, two))
    expect(isinstance(given, int | float), f"return one number, not {given!r}.")
    right = one.chance_jaccard(two)
    blind = one.size * two.size / one.total
    answer = Compared(given, right, 1e-4)
    wrong = {
        blind / (one.size + two.size - blind): "that takes all weights as one heap; a random mask here keeps as many "
        "of each tensor as the learned one.",
        right * (one.size + two.size) / (1 + right) / (one.size + two.size): "the union counts shared weights once.",
        right / (1 + right) * (one.size + two.size) / one.size: "that is a share of the first mask, not of the union.",
        2 * right / (1 + right): "that is the Dice overlap; divide by the union, without a factor of two.",
        _mean_by_tensor(one, two): "that is a mean over tensors; add up shared weights and unions first, then divide.",
        right / (1 + right) * (one.size + two.size): "that is the number of shared weights, not their share.",
        one.jaccard(two): "that is how much these two masks share, not how much chance would.",
    }
    for value, why in wrong.items():
        answer.isnt(value, why)
    answer.is_right(
        f"for norms kept to 90 and 80 % and a matrix kept to 5 and 10 % it is {right:.3f}, not {given:.3f}."
    )


@check
def outside(drawn: Callable[[ParameterMask, int], ParameterMask], model) -> None:
    """``drawn(circuit, seed)`` is a random mask outside a circuit, with its number of weights in each tensor."""
    generator = torch.Generator().manual_seed(1)
    scores = {
        n: torch.rand(w.shape, generator=generator) * (1 + i % 3) for i, (n, w) in enumerate(maskable(model).items())
    }
    circuit = top_mask(scores, 0.05)
    given = attempted(drawn(circuit, 0))
    fits = isinstance(given, ParameterMask) and set(given.kept) == set(circuit.kept)
    expect(fits, "return a ParameterMask with the circuit's tensors.")
    shared = (given & circuit).size
    expect(given.size != (~circuit).size, "that is the whole complement: so many more weights learn faster anyway.")
    expect(shared == 0, f"{shared:,} of its weights lie in the circuit; draw from the complement.")
    off = [n for n, k in circuit.counts.items() if given.counts[n] != min(k, circuit.kept[n].numel() - k)]
    expect(not off, f"{len(off)} tensors have another number of weights than in the circuit: keep its profile.")
    expect(drawn(circuit, 0).jaccard(given) == 1, "the same seed has to give the same mask.")
    chance = random_mask(given, 9).jaccard(given)
    expect(drawn(circuit, 1).jaccard(given) < 0.5 + chance / 2, "another seed has to give another mask.")
