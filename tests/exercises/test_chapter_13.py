"""The checks of the chapter on hallucination take right answers and reject plausible wrong ones with a reason."""

import torch

from helpers.exercises import chapter_13
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def odds(counts):
    return [count / sum(counts) for count in counts]


def test_guess():
    assert chapter_13.guess(lambda counts: sum(p * p for p in odds(counts)))
    assert chapter_13.guess(lambda counts: (torch.tensor(odds(counts)) ** 2).sum())
    assert "blind to the counts" in message(chapter_13.guess(lambda counts: 1 / len(counts)))
    assert "favourite" in message(chapter_13.guess(lambda counts: max(odds(counts))))
    assert "divide the counts" in message(chapter_13.guess(lambda counts: sum(c * c for c in counts)))
    assert "it is" in message(chapter_13.guess(lambda counts: 0.1))
    assert "one number" in message(chapter_13.guess(odds))
    assert "attempted" in message(chapter_13.guess(lambda counts: None))


def right_passer(gaps, names):
    leads = [i for i, gap in enumerate(gaps) if gap > 0]
    return "nobody" if not leads or leads[-1] == len(gaps) - 1 else names[leads[-1] + 1]


def test_passes():
    def last_lead(gaps, names):
        return names[max(i for i, gap in enumerate(gaps) if gap > 0)]

    def first_fall(gaps, names):
        return names[next(i for i in range(1, len(gaps)) if gaps[i] <= 0 < gaps[i - 1])]

    def largest_fall(gaps, names):
        falls = [b - a for a, b in zip(gaps, gaps[1:], strict=False)]
        return names[1 + falls.index(min(falls))]

    def never_nobody(gaps, names):
        found = right_passer(gaps, names)
        return names[-1] if found == "nobody" else found

    assert chapter_13.passes(right_passer)
    assert "still leads" in message(chapter_13.passes(last_lead))
    assert "comes back" in message(chapter_13.passes(first_fall))
    assert "largest fall" in message(chapter_13.passes(largest_fall))
    assert "never led" in message(chapter_13.passes(never_nobody))
    assert "name of a stop" in message(chapter_13.passes(lambda gaps, names: 3))
    assert "attempted" in message(chapter_13.passes(lambda gaps, names: None))


def share(said, true_of):
    return sum(word in theirs for word, theirs in zip(said, true_of, strict=True)) / len(said)


def test_chance():
    def exchanged(said, true_of, rng):
        return share(rng.permutation(said), true_of)

    def uniform(said, true_of, rng):
        return share(rng.choice(sorted(set(said)), len(said)), true_of)

    assert chapter_13.chance(exchanged)
    assert chapter_13.chance(lambda said, true, rng: share(rng.choice(said, len(said)), true)), "with replacement"
    assert "said more often" in message(chapter_13.chance(uniform))
    assert "without any chance" in message(chapter_13.chance(lambda said, true, rng: share(said, true)))
    assert "use rng" in message(chapter_13.chance(lambda said, true, rng: 0.5))
    assert "return a share" in message(chapter_13.chance(lambda said, true, rng: 10 * exchanged(said, true, rng)))
    assert "over many draws" in message(chapter_13.chance(lambda said, true, rng: exchanged(said, true, rng) / 4))
    assert "attempted" in message(chapter_13.chance(lambda said, true, rng: None))
