"""The checks of the chapter on induction take right answers and reject plausible wrong ones with a reason."""

import torch

from helpers.exercises import chapter_06
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_copies(atlas):
    def judge(function):
        return chapter_06.copies(function, atlas)

    def share(logits, tokens, start=2, shift=1):
        half = (len(tokens) - 1) // 2
        first = half + start
        guesses = logits.argmax(-1)[first - shift : len(tokens) - shift]
        return (guesses == tokens[first:]).float().mean().item()

    assert judge(share)
    assert "next" in message(judge(lambda lo, t: share(lo, t, shift=0)))
    assert "leave the first" in message(judge(lambda lo, t: share(lo, t, start=1)))
    assert "first half too" in message(judge(lambda lo, t: (lo.argmax(-1)[:-1] == t[1:]).float().mean().item()))
    assert "divide" in message(judge(lambda lo, t: 7 * share(lo, t)))
    assert "three misses" in message(judge(lambda lo, t: 0.123))
    assert "attempted" in message(judge(lambda *a: None))


def test_scores(atlas):
    def judge(function):
        return chapter_06.scores(function, atlas)

    def back(pattern, more=-1, by=None):
        n = (pattern.shape[-1] - 1) // 2
        later = torch.arange(n + 1, 2 * n + 1)
        return pattern[:, later, later - (by or n + more)].mean(-1)

    assert judge(back)
    assert "duplicate-token" in message(judge(lambda p: back(p, 0)))
    assert "previous-token" in message(judge(lambda p: back(p, by=1)))
    assert "*before* the earlier place" in message(judge(lambda p: back(p, 1)))
    assert "the mean" in message(judge(lambda p: 9 * back(p)))
    assert "nothing is earlier" in message(judge(lambda p: p.diagonal(-8, -2, -1).mean(-1)))
    assert "rows are queries" in message(judge(lambda p: back(p.mT)))
    assert "return a tensor" in message(judge(lambda p: 0.5))


def test_composed():
    judge = chapter_06.composed

    def score(write, read):
        return ((write @ read).norm() / (write.norm() * read.norm())).item()

    assert judge(lambda V, out, K, Q: score(V @ out, K @ Q.T))
    assert "divide" in message(judge(lambda V, out, K, Q: (V @ out @ K @ Q.T).norm()))
    assert "Q-composition" in message(judge(lambda V, out, K, Q: score(V @ out, Q @ K.T)))
    assert "wrong way round" in message(judge(lambda V, out, K, Q: score((V @ out).T, K @ Q.T)))
    assert "before the second" in message(judge(lambda V, out, K, Q: score(K @ Q.T, V @ out)))
    assert "random heads" in message(judge(lambda V, out, K, Q: 0.5))


def test_nothing_to_copy():
    judge = chapter_06.nothing_to_copy

    def drawn(row, rng):
        half = row[1:7]
        old = set(zip(half, half[1:], strict=False))
        while True:
            second = rng.sample(half, 6)
            joined = [half[-1], *second]
            if not old & set(zip(joined, joined[1:], strict=False)):
                return [*row[:7], *second]

    assert judge(drawn)
    assert "attempted" in message(judge(lambda row, rng: None))
    assert "still follow" in message(judge(lambda row, rng: row))
    assert "still follow" in message(judge(lambda row, rng: [*row[:7], *rng.sample(row[1:7], 6)]))
    assert "the same tokens" in message(judge(lambda row, rng: [*row[:7], *rng.sample(range(100, 200), 6)]))
    assert "first half" in message(judge(lambda row, rng: [row[0], *rng.sample(row[1:7], 6), *row[7:]]))
    assert "tokens long" in message(judge(lambda row, rng: row[:7]))
    assert "pattern of its own" in message(judge(lambda row, rng: [*row[:7], *reversed(row[1:7])]))
    assert "a list" in message(judge(lambda row, rng: torch.tensor(row)))
