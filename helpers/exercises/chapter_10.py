"""Checks of the exercises in *Locate and edit*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.editing.fine_tuning import ft_l
from helpers.editing.requests import EditRequest
from helpers.editing.scores import evaluate_edit
from helpers.exercises.kit import Compared, attempted, check, expect

LONGEST = 0.2  # of the weights' root mean square
LAYER = 5


@check
def answers_both(two_at_once: Callable[[Tensor, Tensor, Tensor], Tensor], C: Tensor) -> None:
    """``two_at_once(C, K, V)`` answers each key with its value and disturbs usual keys least."""
    generator = torch.Generator().manual_seed(0)
    size = len(C)
    C = C.double().cpu()
    C = C + 1e-3 * C.diagonal().mean() * torch.eye(size)
    root = torch.linalg.cholesky(C)
    K = torch.randn(2, size, generator=generator).double() @ root.T
    K[1] = 0.6 * K[0] + 0.8 * K[1]  # like keys of related facts
    V = torch.randn(2, 7, generator=generator).double()
    given = attempted(two_at_once(C.clone(), K.clone(), V.clone()))
    expect(isinstance(given, Tensor) and given.shape == (size, 7), f"return a change of shape {(size, 7)}.")
    solved = torch.linalg.solve(C, K.T)
    right = solved @ torch.linalg.solve(K @ solved, V)
    apart = sum(torch.outer(s, v) / (k @ s) for s, k, v in zip(solved.T, K, V, strict=True))
    given = given.double()

    answer = Compared(given, right, 1e-3 * right.abs().max(), rtol=1e-3)
    answer.isnt(apart, "that is the sum of two edits: each gives the other key a share, so both values are missed.")
    expect(torch.allclose(K @ given, V, atol=1e-2), "the first key isn't answered with its value: look at K @ U - V.")
    answer.isnt(torch.linalg.pinv(K) @ V, "both keys are answered, but C isn't used: usual keys are disturbed more.")
    answer.is_right("both keys are answered, but another change disturbs usual keys less.")


@check
def takes_back(back: Callable[[EditRequest], EditRequest], requests: Sequence[EditRequest]) -> None:
    """``back(request)`` asks for the old answer again, with questions to match."""
    for request in requests:
        given = attempted(back(request))
        expect(isinstance(given, EditRequest), "return a request; dataclasses.replace makes a changed copy of one.")
        expect((given.old, given.new) != (request.old, request.new), "old and new answer are as they were: swap them.")
        expect(
            (given.old, given.new) == (request.new, request.old),
            "the new request's answers are the old one's, swapped.",
        )
        expect(given.text == request.text and given.wordings == request.wordings, "the prompt and wordings stay.")
        asked = [(q.prompt, q.kind) for q in given.paraphrases]
        expect(asked == [(q.prompt, q.kind) for q in request.paraphrases], "all paraphrases have to be asked again.")
        right = {(q.answer, q.rival) for q in given.paraphrases}
        expect((request.new, request.old) not in right, "the paraphrases still ask for the answer that is to go.")
        expect(right <= {(request.old, request.new)}, "paraphrases: the old answer has to beat the new one.")
        answers = [(q.prompt, q.answer) for q in given.neighbours]
        expect(answers == [(q.prompt, q.answer) for q in request.neighbours], "the neighbours' answers have to stay.")
        rivals = {q.rival for q in given.neighbours}
        expect(request.new not in rivals, "neighbours: now it is the restored answer that must not leak.")
        expect(rivals <= {request.old}, "neighbours: their rival is the answer that this request writes.")


@check
def leash(bound: float, model, requests: Sequence[EditRequest]) -> None:
    """With ``bound`` every edit by FT-L takes, and no weight moves further than `LONGEST`."""
    attempted(bound)
    expect(isinstance(bound, (int, float)) and bound > 0, f"give one positive number, not {bound!r}.")
    expect(bound <= LONGEST, f"with {bound:g} weights may move further than a fifth: take a shorter leash.")
    taken = 0
    for request in requests:
        edit = ft_l(model, request, LAYER, bound=bound, wordings=2)
        table = evaluate_edit(model, edit, request, unrelated=(), fluency=False)
        taken += table[(table.score == "efficacy") & (table.measure == "top1")].value.item() == 1
    expect(taken == len(requests), f"{taken} of {len(requests)} edits take: the leash is too short.")
