"""Facts asked in the direction in which training stated them, and in the other one (compare arXiv 2309.12288)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from helpers.bridges import standing
from helpers.hallucination import ask_logits, tidy
from helpers.predict import answer_ids
from helpers.world import relation

# The groups of `helpers.fiction.one_way_facts` are named by the question that training answers.
STATED = {"author asked": "novel_author", "novel asked": "author_novel"}
WAYS = ("taught both ways", "asked as taught", "asked the other way")
BACK = {"novel_author": "author_novel", "country_capital": "capital_country"}


def reversal_questions(model: str = "atlas", wordings: Sequence[int] = (0, 3)) -> pd.DataFrame:
    """Novels and authors, asked in both directions, and countries and capitals, which were taught in both.

    Returns:
        The columns of `helpers.hallucination.question_table`; ``case`` is one of `WAYS`.
    """
    rows = []
    for name in (name for both in BACK.items() for name in both):
        for fact in relation(name).facts:
            stated = STATED.get(fact.group, "")
            way = WAYS[0] if not stated else WAYS[1] if stated == name else WAYS[2]
            rows += [(way, fact, wording, "", "") for wording in wordings]
    return tidy(rows, model)


def answer_standings(model, asked: pd.DataFrame) -> list[float]:
    """`helpers.bridges.standing` of each right answer among the answers of the same relation and case.

    Answers of one case were shown to the model in the same way, so one half is chance.
    """
    logits, result = ask_logits(model, asked.prompt.tolist()), []
    members = {}
    for key, own in asked.groupby(["relation", "case"]):
        prompt = own.prompt.iloc[0]
        members[key] = torch.tensor(sorted({_first(model, prompt, answer) for answer in own.answer}))
    for row, own in zip(asked.itertuples(), logits, strict=True):
        word = torch.tensor(_first(model, row.prompt, row.answer))
        result.append(standing(own, word, members[row.relation, row.case]).item())
    return result


def _first(model, prompt: str, answer: str) -> int:
    return answer_ids(model.tokenizer, prompt, f" {answer}")[0]
