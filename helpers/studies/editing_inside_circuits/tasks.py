"""Tasks for masks over weights: prompts, the tokens that count as right, and what the whole model says.

A relation asks in the wordings in which training stated its facts, or in those that training held out; its facts stand
in two halves, as for `relation_pairs`. Skills have two halves only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from helpers.atlas.skills import greater_than_pairs, indirect_object_pairs, start_years, year_ids
from helpers.models.network import read_network
from helpers.models.predict import first_token, logits_after, prompt_ids
from helpers.prompts.facts import split_of
from helpers.prompts.relations import (
    Relation,
    Split,
    held_out_paraphrases,
    relation,
    stable_hash,
    taught_paraphrases,
)
from helpers.studies.tables import read_table

Wordings = Literal["taught", "held out"]
SKILLS = ("indirect object", "greater-than")
MOST = 400  # prompts that are asked
REAL = "smollm2"
OFTEN = 0.5  # share of its facts that a model has to know in a wording


@dataclass(frozen=True)
class MaskTask:
    """Prompts that the whole model answers rightly.

    ``right`` marks the tokens that count, ``reference`` holds the whole model's log-probabilities, ``about`` what each
    prompt is about (a fact is asked in several wordings).
    """

    ids: tuple[tuple[int, ...], ...]
    right: Bool[Tensor, "prompt d_vocab"]
    reference: Float[Tensor, "prompt d_vocab"]
    about: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, places: Sequence[int]) -> MaskTask:
        """The prompts at these places."""
        ids, about = (tuple(part[i] for i in places) for part in (self.ids, self.about))
        return MaskTask(ids, self.right[list(places)], self.reference[list(places)], about)

    def sample(self, n: int, seed: int = 0) -> MaskTask:
        """At most ``n`` prompts, drawn at random."""
        return self.select(random.Random(seed).sample(range(len(self)), min(n, len(self))))


def asked_relation(model_name: str, name: str) -> Relation:
    """A relation in the wordings in which a model can be asked: in SmolLM2 those in which it knows half, else all."""
    asked = relation(name)
    if model_name != REAL:
        return asked
    knows = read_table("smollm2_knows").query("model == @REAL and relation == @name and hit1 >= @OFTEN")
    return replace(asked, templates=tuple(asked.templates[p] for p in sorted(knows.template)))


def mask_task(
    model, name: str | Relation, split: Split = "train", wordings: Wordings = "taught", most: int = MOST
) -> MaskTask:
    """The prompts of a relation, or of a skill: ``indirect object`` or ``greater-than``.

    Args:
        most: how many prompts are asked; those that the model answers rightly stay.

    Raises:
        ValueError: for an unknown split or wordings, a skill's held-out wordings, or a task that the model can't do.
    """
    for value, choices in ((split, get_args(Split)), (wordings, get_args(Wordings))):
        if value not in choices:
            raise ValueError(f"unknown choice {value!r}; choose from {', '.join(choices)}")
    if name in SKILLS and wordings != "taught":
        raise ValueError(f"{name} has no held-out wordings; judge it on the other half")
    ids, right, about = (
        _skill(model, name, split, most) if name in SKILLS else _facts(model, name, split, wordings, most)
    )
    logits = logits_after(read_network(model), ids)[:, 0]
    known = right[torch.arange(len(ids)), logits.argmax(-1)].nonzero()[:, 0].tolist()
    if not known:
        raise ValueError(f"the model answers no prompt of {name} ({split}, {wordings}) rightly")
    return MaskTask(tuple(map(tuple, ids)), right, logits.log_softmax(-1), tuple(about)).select(known)


def _facts(model, name: str | Relation, split: Split, wordings: Wordings, most: int):
    asked = relation(name)
    choose = taught_paraphrases if wordings == "taught" else held_out_paraphrases
    rows = [(f, asked.prompt(f, p)) for f in asked.facts if split_of(f) == split for p in choose(asked, f)]
    rows = random.Random(0).sample(rows, min(most, len(rows)))
    right = _marked(model, [[first_token(model, prompt, fact.answer)] for fact, prompt in rows])
    return [prompt_ids(model.tokenizer, prompt) for _, prompt in rows], right, [fact.subject for fact, _ in rows]


def _skill(model, name: str, split: Split, most: int):
    most = min(most, MOST // 2)
    if name == "indirect object":
        pairs = indirect_object_pairs(model, most, split=split)
        return pairs.clean_ids, _marked(model, pairs.answer_ids[:, None].tolist()), pairs.clean
    pairs = greater_than_pairs(model, most, split=split)
    years = year_ids(model, pairs.clean[0])
    return pairs.clean_ids, _marked(model, [years[s + 1 :] for s in start_years(pairs).tolist()]), pairs.clean


def _marked(model, rows: Sequence[Sequence[int]]) -> Bool[Tensor, "prompt d_vocab"]:
    right = torch.zeros(len(rows), model.cfg.d_vocab, dtype=torch.bool, device=model.W_E.device)
    for row, tokens in zip(right, rows, strict=True):
        row[list(tokens)] = True
    return right


def false_answers(task: MaskTask) -> MaskTask:
    """The same prompts with the answers of others: what each prompt is about gets another's, in all its wordings.

    Nothing in the model supports these answers, so a mask that gives them wasn't found but taught. (Where two have the
    same answer, exchanging them changes nothing; in relations with few answers that is often so.)

    Raises:
        ValueError: for a task about fewer than two.
    """
    subjects = sorted(set(task.about))
    if len(subjects) < 2:
        raise ValueError("a task about one subject has no other answers; give more prompts")
    random.Random(stable_hash("false answers", 0)).shuffle(subjects)
    other = dict(zip(subjects, subjects[1:] + subjects[:1], strict=True))
    first = {subject: task.about.index(subject) for subject in subjects}
    places = [first[other[subject]] for subject in task.about]
    return replace(task, right=task.right[places], reference=task.reference[places])
