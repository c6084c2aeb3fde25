"""The checks of the chapter on where facts are kept take right answers and say what is wrong with others."""

from collections import Counter

from helpers.exercises import chapter_19
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_recovers():
    assert chapter_19.recovers(lambda c, k, p: (p - k).sum() / (c - k).sum())
    assert "mean of ratios" in message(chapter_19.recovers(lambda c, k, p: ((p - k) / (c - k)).mean()))
    assert "from zero" in message(chapter_19.recovers(lambda c, k, p: p.mean() / c.mean()))
    assert "stays lost" in message(chapter_19.recovers(lambda c, k, p: (c - p).sum() / (c - k).sum()))
    assert "in logits" in message(chapter_19.recovers(lambda c, k, p: (p - k).mean()))
    assert "here it is" in message(chapter_19.recovers(lambda c, k, p: 0.5))
    assert "one number" in message(chapter_19.recovers(lambda c, k, p: p - k))
    assert "attempted" in message(chapter_19.recovers(lambda c, k, p: None))


def by_words(names):
    counts = Counter(tuple(sorted(name.split())) for name in names)
    return sum(counts[tuple(sorted(name.split()))] == 1 for name in names) / len(names)


def test_bags():
    assert chapter_19.bags(by_words)
    assert "without order" in message(chapter_19.bags(lambda names: len(set(names)) / len(names)))
    assert "share their words" in message(chapter_19.bags(lambda names: 1 - by_words(names)))

    def by_first(names):
        return Counter(Counter(name.split()[0] for name in names).values())[1] / len(names)

    first = message(chapter_19.bags(by_first))
    assert "first word" in first
    sets = message(chapter_19.bags(lambda names: len({frozenset(n.split()) for n in names}) / len(names)))
    assert "each set" in sets
    assert "attempted" in message(chapter_19.bags(lambda names: None))


def test_grafts():
    def right(subject, length):
        return [at in range(subject.start, subject.stop) or at == length - 1 for at in range(length)]

    assert chapter_19.grafts(right)
    assert "opposite" in message(chapter_19.grafts(lambda s, n: [not value for value in right(s, n)]))
    assert "last token" in message(chapter_19.grafts(lambda s, n: right(s, n)[:-1] + [False]))
    assert "missing" in message(chapter_19.grafts(lambda s, n: [False] * (n - 1) + [True]))
    assert "stop" in message(chapter_19.grafts(lambda s, n: right(slice(s.start, s.stop + 1), n)))
    assert "one value" in message(chapter_19.grafts(lambda s, n: [True]))
    assert "attempted" in message(chapter_19.grafts(lambda s, n: None))
