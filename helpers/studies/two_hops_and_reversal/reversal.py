"""Facts asked from both ends: of SmolLM2, and of Atlas, which was told some of them one way round only."""

from __future__ import annotations

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.fiction import STATED_BY
from helpers.models.network import read_network
from helpers.models.predict import first_token, logits_after, prompt_ids
from helpers.prompts.relations import relation

WAYS = ("taught both ways", "asked as taught", "asked the other way")
# A relation of the world, asked from its subject and from its answer.
BOTH_WAYS = {
    "country_capital": ("The capital of {} is", "{} is the capital of"),
    "state_capital": ("The capital of the U.S. state of {} is", "{} is the capital of the U.S. state of"),
    "element_symbol": ("The chemical symbol of {} is", "{} is the chemical symbol of the element"),
}


def percentile_rank(
    logits: Float[Tensor, "*at d_vocab"], word: Int[Tensor, ""] | int, members: Int[Tensor, " member"]
) -> Float[Tensor, "*at"]:
    """The share of a type's other members that a word is ahead of: 1 is the best, one half is chance.

    Raises:
        ValueError: if the word is the type's only member.
    """
    others = members[members != word]
    if not len(others):
        raise ValueError("the type has no other member to compare with")
    return (logits[..., word, None] > logits[..., others]).float().mean(-1)


def asked_ways(model, prompts: list[str], answers: list[str]) -> pd.DataFrame:
    """Whether each answer is said (``right``), and its `percentile_rank` among all of the answers (``rank``)."""
    logits = logits_after(read_network(model), [prompt_ids(model.tokenizer, p) for p in prompts])[:, 0].cpu()
    first = torch.tensor([first_token(model, *pair) for pair in zip(prompts, answers, strict=True)])
    members = first.unique()
    ranks = [percentile_rank(row, word, members).item() for row, word in zip(logits, first, strict=True)]
    return pd.DataFrame({"right": (logits.argmax(-1) == first).tolist(), "rank": ranks})


def reversal_rows(model) -> pd.DataFrame:
    """The relations of `BOTH_WAYS`, each fact asked from its subject (``forward``) and from its answer."""
    tables = []
    for name, templates in BOTH_WAYS.items():
        facts = relation(name).facts
        ends = [f.subject for f in facts], [f.answer for f in facts]
        for way, template, (here, there) in zip(("forward", "back"), templates, (ends, ends[::-1]), strict=True):
            found = asked_ways(model, [template.format(word) for word in here], list(there))
            tables.append(found.assign(relation=name, subject=ends[0], way=way))
    return pd.concat(tables, ignore_index=True)


def reversal_questions() -> pd.DataFrame:
    """Atlas's novels and their authors, asked in both directions in one template: ``prompt, answer, relation, way``."""
    rows = []
    for name in ("novel_author", "author_novel"):
        for fact in relation(name).facts:
            stated = STATED_BY.get(fact.group)
            way = WAYS[0] if not stated else WAYS[1] if stated == name else WAYS[2]
            rows.append((relation(name).prompt(fact, 0), fact.answer, name, fact.subject, way))
    return pd.DataFrame(rows, columns=["prompt", "answer", "relation", "subject", "way"])


def ask_both_ways(model, table: pd.DataFrame) -> pd.DataFrame:
    """`reversal_questions`, asked; ranks are among the answers of one relation and way, shown to the model alike."""
    found = [
        own.reset_index(drop=True).join(asked_ways(model, own.prompt.tolist(), own.answer.tolist()))
        for _, own in table.groupby(["relation", "way"])
    ]
    return pd.concat(found, ignore_index=True)
