"""The checks of the chapter on two hops take right answers and reject plausible wrong ones with a reason."""

import torch

from helpers.exercises import chapter_15
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def test_shares():
    assert chapter_15.shares(lambda part, whole: len(part & whole) / len(part))
    assert "Jaccard" in message(chapter_15.shares(lambda part, whole: len(part & whole) / len(part | whole)))
    assert "wrong way round" in message(chapter_15.shares(lambda part, whole: len(part & whole) / len(whole)))
    assert "count" in message(chapter_15.shares(lambda part, whole: len(part & whole)))
    assert "one number" in message(chapter_15.shares(lambda part, whole: part & whole))
    assert "it is" in message(chapter_15.shares(lambda part, whole: 0.9))
    assert "attempted" in message(chapter_15.shares(lambda part, whole: None))


def right_stand(logits, word, members):
    others = [i for i in members if i != word]
    return (logits[word] > logits[others]).float().mean()


def test_stands():
    assert chapter_15.stands(right_stand)
    assert chapter_15.stands(lambda *a: right_stand(*a).item())
    assert "1 should be the best" in message(chapter_15.stands(lambda *a: 1 - right_stand(*a)))
    itself = message(chapter_15.stands(lambda x, w, m: (x[w] >= x[m]).float().mean()))
    assert "itself" in itself
    assert "number of *other*" in message(chapter_15.stands(lambda x, w, m: (x[w] > x[m]).float().mean()))
    assert "all tokens" in message(chapter_15.stands(lambda x, w, m: (x[w] > x).float().sum() / (len(x) - 1)))
    assert "one number" in message(chapter_15.stands(lambda x, w, m: x[m]))
    assert "attempted" in message(chapter_15.stands(lambda x, w, m: None))


def test_explains():
    def right(told, never, control):
        return (never.mean() - control.mean()) / (told.mean() - control.mean())

    assert chapter_15.explains(right)
    assert "random direction" in message(chapter_15.explains(lambda t, n, c: n.mean() / t.mean()))
    assert "difference" in message(chapter_15.explains(lambda t, n, c: n.mean() - t.mean()))
    assert "upside down" in message(chapter_15.explains(lambda t, n, c: 1 / right(t, n, c)))
    assert "does not explain" in message(chapter_15.explains(lambda t, n, c: 1 - right(t, n, c)))
    assert "one number" in message(chapter_15.explains(lambda t, n, c: torch.stack([t, n])))
    assert "attempted" in message(chapter_15.explains(lambda t, n, c: None))
