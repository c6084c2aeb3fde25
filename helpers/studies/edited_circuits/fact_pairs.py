"""Pairs of one fact in several wordings, asked before and after an edit: what the explorer shows of edits.

Clean prompts name the subject, corrupt ones another subject of the same relation. The two runs of a pair go through the
same weights, so after an edit both are runs of the edited model: if the edit also changed what the model says about the
other subject, that isn't part of the difference.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

from helpers.editing.requests import EditRequest, fill
from helpers.models.predict import first_token, prompt_ids
from helpers.prompts.facts import known_facts, split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, Split, relation, stable_hash


def other_facts(
    model, request: EditRequest, n: int, paraphrase: int, *, half: Split | None = None, seed: int = 0, length: int = 0
) -> list[Fact]:
    """Up to ``n`` facts of the request's relation that the model knows, with neither its old nor its new answer.

    Args:
        paraphrase: the template in which the model has to know them.
        half: of one half only.
        length: the number of tokens of their prompt, if it matters.

    Raises:
        ValueError: for an unknown half.
    """
    if half not in (None, *get_args(Split)):
        raise ValueError(f"unknown half {half!r}; choose from {', '.join(get_args(Split))}")
    asked = relation(request.relation)
    facts = [f for f in asked.facts if f.subject != request.subject and f.other is None]
    facts = [f for f in facts if half in (None, split_of(f)) and f.answer not in (request.old, request.new)]
    if length:
        facts = [f for f in facts if len(prompt_ids(model.tokenizer, asked.prompt(f, paraphrase))) == length]
    rng = random.Random(stable_hash("others", seed, asked.name, request.subject, paraphrase))
    facts = rng.sample(facts, min(2 * n, len(facts)))
    own = [first_token(model, request.text, answer) for answer in (request.old, request.new)]
    facts = [f for f in facts if first_token(model, request.text, f.answer) not in own]
    return known_facts(model, asked, facts, paraphrase)[:n]


def fact_pairs(model, request: EditRequest, n: int = 12, *, half: Split = "train", seed: int = 0) -> PromptPairs:
    """Pairs about one fact: the request's subject beside other subjects of its relation, with the *old* answer.

    The training half uses the request's prompt and wordings, which editors see, and subjects of the training half; the
    test half uses the relation's other templates and subjects of the test half. Call it on the unedited model:
    `asked_again` has the same prompts ask for the new answer.

    Args:
        n: pairs; as many of each template as possible.
        seed: of the draw of other subjects.

    Raises:
        ValueError: for an unknown half, or if no other subject has as many tokens.
    """
    asked, seen = relation(request.relation), (request.prompt, *request.wordings)
    templates = [t for t in range(len(asked.templates)) if (asked.templates[t] in seen) == (half == "train")]
    found = {}
    for template in templates:
        own = fill(asked.templates[template], request.subject)
        length = len(prompt_ids(model.tokenizer, own))
        others = other_facts(model, request, n, template, half=half, seed=seed, length=length)
        found[own] = [(asked.prompt(f, template), f.answer) for f in others]
    rounds = max(map(len, found.values()), default=0)
    chosen = [(own, *found[own][i]) for i in range(rounds) for own in found if i < len(found[own])][:n]
    if not chosen:
        raise ValueError(f"no other subject of {asked.name} has as many tokens as {request.subject!r} ({half} half)")
    clean, corrupt, wrong = zip(*chosen, strict=True)
    return _pairs(model, clean, corrupt, request.old, [f" {w}" for w in wrong], request.subject)


def asked_again(model, pairs: PromptPairs, answer: str) -> PromptPairs:
    """The same prompts with another right answer."""
    subject = model.tokenizer.decode(pairs.clean_ids[0][pairs.subjects[0]]).strip()
    return _pairs(model, pairs.clean, pairs.corrupt, answer, pairs.wrong, subject)


def _pairs(model, clean, corrupt, answer: str, wrong: Sequence[str], subject: str) -> PromptPairs:
    many, subjects = [f" {answer}"] * len(clean), [subject] * len(clean)
    return PromptPairs.from_prompts(model, clean, corrupt, many, wrong, subjects=subjects, first_token=True)
