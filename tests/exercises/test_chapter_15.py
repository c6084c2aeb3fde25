"""The checks of the chapter on two hops take right answers and reject plausible wrong ones with a reason."""

import torch

from helpers.exercises import chapter_15
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


def right_choice(host, pool):
    other = (row for row in pool if row["bridge"] != host["bridge"] and row["answer"] != host["answer"])
    return [row for row in other if row["told"] == 0]


def test_decides():
    def without(*conditions):
        def choose(host, pool):
            tests = {
                "told": lambda row: row["told"] == 0,
                "bridge": lambda row: row["bridge"] != host["bridge"],
                "answer": lambda row: row["answer"] != host["answer"],
                "self": lambda row: row["subject"] != host["subject"],
            }
            return [row for row in pool if all(test(row) for name, test in tests.items() if name not in conditions)]

        return chapter_15.decides(choose)

    assert chapter_15.decides(right_choice) and without()
    assert "ready-made" in message(without("told"))
    assert "can't be told apart" in message(without("answer"))
    assert "same bridge" in message(without("bridge", "answer"))
    assert "themselves" in message(without("told", "bridge", "answer", "self"))
    for right in (True, False):
        chosen = chapter_15.decides(lambda h, p, r=right: [row for row in right_choice(h, p) if row["right"] is r])
        assert "beforehand" in message(chosen)
    assert "all qualify" in message(chapter_15.decides(lambda h, p: right_choice(h, p)[:2]))
    assert "list of rows" in message(chapter_15.decides(lambda h, p: ["Ben Birch"]))
    assert "attempted" in message(chapter_15.decides(lambda h, p: None))


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
