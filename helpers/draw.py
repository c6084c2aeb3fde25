"""Random choices that add up their own surprise, so that a text knows how predictable it was."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A seeded source of choices; ``nats`` is minus the log-probability of all choices made since `restart`.

    If every choice can be read off the finished text, ``nats`` is the text's information content: no model can have
    a lower expected loss on it. If two ways of choosing give the same text, it is an upper bound of that content.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nats = 0.0

    def restart(self) -> None:
        """Start a new text: forget the surprise so far."""
        self.nats = 0.0

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``, each equally likely."""
        self.nats += math.log(len(options))
        return options[self.rng.randrange(len(options))]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """``count`` different ``options`` in random order."""
        self.nats += sum(math.log(len(options) - i) for i in range(count))
        return self.rng.sample(options, count)

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        self.nats += math.log(high - low + 1)
        return self.rng.randint(low, high)

    def chance(self, probability: float) -> bool:
        """True with the given probability (strictly between 0 and 1)."""
        hit = self.rng.random() < probability
        self.nats -= math.log(probability if hit else 1 - probability)
        return hit
