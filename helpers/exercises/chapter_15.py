"""Checks of the exercises in *Two hops, and the way back*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.kit import attempted, check, expect


def _number(given: object) -> float:
    given = given.item() if isinstance(given, Tensor) and given.numel() == 1 else given
    expect(isinstance(given, int | float), "return one number.")
    return float(given)


@check
def shares(share_inside: Callable[[set, set], float]) -> None:
    """``share_inside(part, whole)`` is the share of ``part`` that ``whole`` holds too."""
    for part, whole in (({"a", "b", "c", "d"}, {"c", "d", "e", "f", "g", "h"}), ({"a"}, {"a", "b"}), ({"x"}, {"y"})):
        given, both = _number(attempted(share_inside(set(part), set(whole)))), len(part & whole)
        right = both / len(part)
        near = abs(given - right) < 1e-6
        expect(near or abs(given - both / len(part | whole)) > 1e-6, "that is Jaccard: it punishes a large whole.")
        expect(near or abs(given - both / len(whole)) > 1e-6, "that is the share of the whole, the wrong way round.")
        expect(near or abs(given - both) > 1e-6, "that is a count; divide it by the size of the part.")
        expect(near, f"for {sorted(part)} in {sorted(whole)} it is {right:.2f}, not {given:.2f}.")


@check
def stands(stand: Callable[[Tensor, int, list[int]], float]) -> None:
    """``stand(logits, word, members)`` is the share of the type's other members that a word is ahead of."""
    logits = torch.tensor([9.0, 1.0, 5.0, 3.0, 7.0, -2.0, 0.5, 0.2])
    for word, members in ((2, [1, 2, 3, 4]), (1, [1, 3, 4]), (4, [2, 3, 4])):
        given = _number(attempted(stand(logits, word, list(members))))
        others = [i for i in members if i != word]
        right = sum(bool(logits[word] > logits[i]) for i in others) / len(others)
        near = abs(given - right) < 1e-6
        own = sum(bool(logits[word] >= logits[i]) for i in members) / len(members)
        vocabulary = (logits[word] > logits).float().sum().item() / (len(logits) - 1)
        expect(near or abs(given - (1 - right)) > 1e-6, "that is the share that are ahead of it: 1 should be the best.")
        expect(near or abs(given - own) > 1e-6, "the word was compared with itself; leave it out.")
        expect(
            near or abs(given - right * len(others) / len(members)) > 1e-6, "divide by the number of *other* members."
        )
        expect(near or abs(given - vocabulary) > 1e-6, "that is among all tokens; asked is among the type's members.")
        expect(near, f"for word {word} among {members} it is {right:.2f}, not {given:.2f}.")


@check
def explains(bridge_share: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """``bridge_share(told, never_told, control)`` is how much of a told donor's effect the bridge alone has."""
    told, never = torch.tensor([1, 1, 1, 0, 1.0]), torch.tensor([1, 0, 1, 0, 0.0])
    for control in (torch.tensor([0, 0, 0, 1, 0.0]), torch.zeros(5)):
        given = _number(attempted(bridge_share(told, never, control)))
        a, b, c = (values.mean().item() for values in (told, never, control))
        right = (b - c) / (a - c)
        near = abs(given - right) < 1e-6
        expect(near or abs(given - b / a) > 1e-6, "a random direction brings some answers too; take it from both.")
        expect(near or abs(given - (b - a)) > 1e-6, "a difference says how much less; asked is a share of the effect.")
        expect(near or abs(given - (a - c) / max(b - c, 1e-9)) > 1e-6, "upside down: the never told donors go on top.")
        expect(near or abs(given - (1 - right)) > 1e-6, "that is the share that the bridge does not explain.")
        expect(near, f"it is {right:.3f}, not {given:.3f}.")
