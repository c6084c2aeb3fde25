"""Checks of the exercises in *Two hops, and the way back*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect, number

HOST = {"subject": "Ann Alder", "bridge": "Brightco", "answer": "Ambleford", "told": 100, "right": True}
POOL = [
    {"subject": "Ben Birch", "bridge": "Coldcorp", "answer": "Burville", "told": 0, "right": True},
    {"subject": "Cat Cedar", "bridge": "Coldcorp", "answer": "Burville", "told": 0, "right": False},
    {"subject": "Dan Dogwood", "bridge": "Coldcorp", "answer": "Burville", "told": 100, "right": True},
    {"subject": "Eve Elm", "bridge": "Brightco", "answer": "Ambleford", "told": 0, "right": True},
    {"subject": "Fay Fir", "bridge": "Dimdyne", "answer": "Ambleford", "told": 0, "right": False},
    HOST,
    {"subject": "Gus Gum", "bridge": "Everlux", "answer": "Colton", "told": 0, "right": False},
]
GOOD = {"Ben Birch", "Cat Cedar", "Gus Gum"}


@check
def decides(choose_donors: Callable[[dict, list[dict]], list[dict]]) -> None:
    """``choose_donors(host, pool)`` are the donors who can bring an answer only through the bridge."""
    given = attempted(choose_donors(dict(HOST), [dict(row) for row in POOL]))
    expect(
        isinstance(given, list) and all(isinstance(row, dict) for row in given), "return a list of rows of the pool."
    )
    chosen = {row.get("subject") for row in given}
    expect(HOST["subject"] not in chosen, "nobody is a donor to themselves: nothing would change.")
    whys = {
        "Dan Dogwood": "was told the town for himself, so he may bring it ready-made.",
        "Eve Elm": "has the host's company: with the same bridge nothing can change.",
        "Fay Fir": "has another company in the host's town: whether her answer was brought or the host's kept can't be "
        "told apart.",
    }
    for subject, why in whys.items():
        expect(subject not in chosen, f"{subject} {why}")
    rights = [{row["subject"] for row in POOL if row["subject"] in GOOD and row["right"] is r} for r in (True, False)]
    why = "whether donors answer rightly themselves is the result; chosen by it, the test is decided beforehand."
    expect(chosen not in rights, why)
    expect(chosen == GOOD, f"chosen are {sorted(chosen)}; {sorted(GOOD)} all qualify.")


@check
def stands(stand: Callable[[Tensor, int, list[int]], float]) -> None:
    """``stand(logits, word, members)`` is the share of the type's other members that a word is ahead of."""
    logits = torch.tensor([9.0, 1.0, 5.0, 3.0, 7.0, -2.0, 0.5, 0.2])
    for word, members in ((2, [1, 2, 3, 4]), (1, [1, 3, 4]), (4, [2, 3, 4])):
        given = number(attempted(stand(logits, word, list(members))))
        others = [i for i in members if i != word]
        right = sum(bool(logits[word] > logits[i]) for i in others) / len(others)
        own = sum(bool(logits[word] >= logits[i]) for i in members) / len(members)
        vocabulary = (logits[word] > logits).float().sum().item() / (len(logits) - 1)
        answer = Compared(given, right)
        answer.isnt(1 - right, "that is the share that are ahead of it: 1 should be the best.")
        answer.isnt(own, "the word was compared with itself; leave it out.")
        answer.isnt(right * len(others) / len(members), "divide by the number of *other* members.")
        answer.isnt(vocabulary, "that is among all tokens; asked is among the type's members.")
        answer.is_right(f"for word {word} among {members} it is {right:.2f}, not {given:.2f}.")


@check
def explains(bridge_share: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """``bridge_share(told, never_told, control)`` is how much of a told donor's effect the bridge alone has."""
    told, never = torch.tensor([1, 1, 1, 0, 1.0]), torch.tensor([1, 0, 1, 0, 0.0])
    for control in (torch.tensor([0, 0, 0, 1, 0.0]), torch.zeros(5)):
        given = number(attempted(bridge_share(told, never, control)))
        a, b, c = (values.mean().item() for values in (told, never, control))
        right = (b - c) / (a - c)
        answer = Compared(given, right)
        answer.isnt(b / a, "a random direction brings some answers too; take it from both.")
        answer.isnt(b - a, "a difference says how much less; asked is a share of the effect.")
        answer.isnt((a - c) / max(b - c, 1e-9), "upside down: the never told donors go on top.")
        answer.isnt(1 - right, "that is the share that the bridge does not explain.")
        answer.is_right(f"it is {right:.3f}, not {given:.3f}.")
