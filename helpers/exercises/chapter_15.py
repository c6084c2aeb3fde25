"""Checks of the exercises in *Two hops, and the way back*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, number


@check
def shares(share_inside: Callable[[set, set], float]) -> None:
    """``share_inside(part, whole)`` is the share of ``part`` that ``whole`` holds too."""
    for part, whole in (({"a", "b", "c", "d"}, {"c", "d", "e", "f", "g", "h"}), ({"a"}, {"a", "b"}), ({"x"}, {"y"})):
        given, both = number(attempted(share_inside(set(part), set(whole)))), len(part & whole)
        right = both / len(part)
        answer = Compared(given, right)
        answer.isnt(both / len(part | whole), "that is Jaccard: it punishes a large whole.")
        answer.isnt(both / len(whole), "that is the share of the whole, the wrong way round.")
        answer.isnt(both, "that is a count; divide it by the size of the part.")
        answer.is_right(f"for {sorted(part)} in {sorted(whole)} it is {right:.2f}, not {given:.2f}.")


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
