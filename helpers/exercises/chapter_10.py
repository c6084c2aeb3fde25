"""Checks of the exercises in *Locate and edit*."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from helpers.editing.requests import EditRequest, Question
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.studies.locate_and_edit.counterfact import read_counterfact


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
def stays(control: Callable[[EditRequest, Question, list[tuple[str, str, str]]], list[Question]]) -> None:
    """``control(request, question, others)`` asks of other subjects what must not follow from the edit."""
    request = EditRequest("the Eiffel Tower", "{} is in", "France", "Italy", relation="landmark_country")
    question = Question("The capital of the country of the Eiffel Tower is", "Rome", "Paris", "first hop")
    usable = [("Big Ben", "England", "London"), ("the Louvre", "France", "Paris")]
    others = [usable[0], ("the Colosseum", "Italy", "Rome"), usable[1], ("the Sistine Chapel", "the Vatican", "Rome")]
    given = attempted(control(request, question, [*others, ("the Eiffel Tower", "France", "Paris")]))
    right = {question.prompt.replace(request.subject, who): then for who, _, then in usable}
    expect(isinstance(given, list) and all(isinstance(q, Question) for q in given), "return a list of questions.")
    asked = {q.prompt: q for q in given}
    expect(question.prompt not in asked, "the edited subject itself is no control: there the answer should follow.")
    for who, country, _ in others:
        prompt = question.prompt.replace(request.subject, who)
        if prompt in asked and prompt not in right:
            why = "the new answer is right for it anyway, so it can't show a leak"
            expect(False, f"{who} ({country}) is no control: {why}.")
    expect(set(asked) == set(right), f"asked are {sorted(asked)}; with these subjects one could ask {sorted(right)}.")
    for prompt, then in right.items():
        expect(asked[prompt].answer == then, f"{prompt}: right is still {then}, whatever was edited.")
        expect(
            asked[prompt].rival == question.answer,
            f"{prompt}: what could leak is {question.answer}, so that is the rival, not {asked[prompt].rival}.",
        )


@check
def reads_back(record: Callable[[EditRequest], dict], request: EditRequest) -> None:
    """``record(request)`` is the request in the layout of CounterFact."""
    given = attempted(record(request))
    expect(isinstance(given, dict), "return a dictionary.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.json"
        try:
            path.write_text(json.dumps([given]), encoding="utf-8")
            (read,) = read_counterfact(path)
        except (TypeError, ValueError) as error:
            expect(False, f"it can't be read: {error}")
    expect((read.old, read.new) != (request.new, request.old), "target_true is the old answer, target_new the new one.")
    for name in ("subject", "prompt", "old", "new"):
        got, wanted = getattr(read, name), getattr(request, name)
        expect(got == wanted, f"read back, the {name} is {got!r}, not {wanted!r}.")
    for name, key in (("paraphrases", "paraphrase_prompts"), ("neighbours", "neighborhood_prompts")):
        got, wanted = ([q.prompt for q in getattr(r, name)] for r in (read, request))
        expect(got == wanted, f"{key} should be the prompts of the {name}: {wanted}, not {got}.")
