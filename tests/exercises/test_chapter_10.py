"""The checks of *Locate and edit* take right answers and reject plausible wrong ones with a reason."""

from dataclasses import replace

import pytest
import torch

from helpers import edit_requests
from helpers.editing.requests import Question
from helpers.exercises import chapter_10
from helpers.exercises.kit import Verdict


def message(verdict: Verdict) -> str:
    assert not verdict
    return verdict.message


@pytest.fixture(scope="module")
def requests(atlas):
    return edit_requests(atlas, "landmark_country", 12, seed=4)[:4]


def test_answers_both():
    root = torch.randn(40, 60, generator=torch.Generator().manual_seed(3)).double()
    C = root @ root.T / 60

    def right(C, K, V):
        solved = torch.linalg.solve(C, K.T)
        return solved @ torch.linalg.solve(K @ solved, V)

    def apart(C, K, V):
        return sum(right(C, K[[n]], V[[n]]) for n in range(2))

    def blind(C, K, V):
        return torch.linalg.pinv(K) @ V

    def beside(C, K, V):
        away = torch.eye(len(C)).double() - torch.linalg.pinv(K) @ K
        return right(C, K, V) + away @ torch.ones(len(C), V.shape[1]).double()

    assert chapter_10.answers_both(right, C)
    assert "sum of two edits" in message(chapter_10.answers_both(apart, C))
    assert "C isn't used" in message(chapter_10.answers_both(blind, C))
    assert "isn't answered" in message(chapter_10.answers_both(lambda C, K, V: right(C, K, V) / 2, C))
    assert "disturbs usual keys less" in message(chapter_10.answers_both(beside, C))
    assert "of shape" in message(chapter_10.answers_both(lambda C, K, V: V, C))
    assert "attempted" in message(chapter_10.answers_both(lambda C, K, V: None, C))


def test_takes_back(requests):
    def swapped(r):
        return replace(r, old=r.new, new=r.old)

    def asked(r):
        paraphrases = tuple(replace(q, answer=r.old, rival=r.new) for q in r.paraphrases)
        return replace(swapped(r), paraphrases=paraphrases)

    def right(r):
        return replace(asked(r), neighbours=tuple(replace(q, rival=r.old) for q in r.neighbours), portability=())

    def judge(function):
        return chapter_10.takes_back(function, requests)

    assert judge(right)
    assert "as they were" in message(judge(lambda r: r))
    assert "that is to go" in message(judge(swapped))
    assert "must not leak" in message(judge(asked))
    assert "asked again" in message(judge(lambda r: replace(right(r), paraphrases=())))
    assert "have to stay" in message(judge(lambda r: replace(right(r), neighbours=())))
    assert "prompt and wordings" in message(judge(lambda r: replace(right(r), wordings=())))
    assert "return a request" in message(judge(lambda r: (r.new, r.old)))
    assert "attempted" in message(judge(lambda r: None))


def test_stays():
    def right(request, question, others):
        fits = [o for o in others if request.new != o[1] and question.answer != o[2] and o[0] != request.subject]
        return [
            Question(question.prompt.replace(request.subject, who), then, question.answer, "control")
            for who, _, then in fits
        ]

    def all_of(request, question, others):
        return [replace(question, prompt=question.prompt.replace(request.subject, who)) for who, *_ in others]

    def old_rival(*given):
        return [replace(q, rival="Paris") for q in right(*given)]

    def other_answer(*given):
        return [replace(q, answer="Rome", rival="Paris") for q in right(*given)]

    assert chapter_10.stays(right)
    assert "itself is no control" in message(chapter_10.stays(all_of))
    assert "can't show a leak" in message(chapter_10.stays(lambda r, q, o: all_of(r, q, o[:4])))
    assert "could leak is Rome" in message(chapter_10.stays(old_rival))
    assert "right is still" in message(chapter_10.stays(other_answer))
    assert "could ask" in message(chapter_10.stays(lambda r, q, o: right(r, q, o)[:1]))
    assert "list of questions" in message(chapter_10.stays(lambda r, q, o: "Big Ben"))
    assert "attempted" in message(chapter_10.stays(lambda r, q, o: None))


def test_reads_back(requests):
    request = requests[0]

    def right(r):
        old, new = ({"str": answer} for answer in (r.old, r.new))
        rewrite = {"subject": r.subject, "prompt": r.prompt, "target_true": old, "target_new": new}
        prompts = {"paraphrase_prompts": r.paraphrases, "neighborhood_prompts": r.neighbours}
        return {"requested_rewrite": rewrite} | {key: [q.prompt for q in asked] for key, asked in prompts.items()}

    def judge(function):
        return chapter_10.reads_back(function, request)

    assert judge(right)
    assert "target_true is the old" in message(judge(lambda r: right(replace(r, old=r.new, new=r.old))))
    filled = right(request)
    filled["requested_rewrite"]["prompt"] = request.text
    assert "can't be read" in message(judge(lambda r: filled))
    assert "paraphrase_prompts should be" in message(judge(lambda r: right(replace(r, paraphrases=()))))
    assert "neighborhood_prompts should be" in message(judge(lambda r: right(replace(r, neighbours=()))))
    assert "return a dictionary" in message(judge(lambda r: [right(r)]))
    assert "attempted" in message(judge(lambda r: None))
