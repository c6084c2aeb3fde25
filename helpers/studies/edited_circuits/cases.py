"""One fact that is to be edited, and the facts beside it that tell what a change of its circuit means.

All prompts of a case ask in one template and are equally long, so its circuits can be found with the same corrupt
prompts: then two of them differ in the clean subject and the answer alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from helpers.circuits.circuit import Circuit
from helpers.editing.requests import EditRequest
from helpers.models.predict import first_token, prompt_ids, token_span
from helpers.prompts.facts import known_facts
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, Relation, relation, stable_hash
from helpers.searches.attribution import eap_ig

Part = Literal["found", "again", "held out"]  # which other subjects stand in the corrupt prompts
PAIRS = 8
SIZE = {"smollm2": 400, "atlas2": 200}  # edges of a circuit: enough for most of an answer without any edit


@dataclass(frozen=True)
class Case:
    """A fact of a relation with its edit, and others that are asked in the same words.

    ``same_answer`` is another subject of the old answer (none where answers have one subject each), ``new_answer`` a
    subject whose true answer is the edit's new one; ``others`` have neither answer.
    """

    request: EditRequest
    same_answer: Fact | None
    new_answer: Fact
    others: tuple[Fact, ...]

    @property
    def about(self) -> dict[str, str]:
        """The columns of a table that say which case it is."""
        return dict(relation=self.request.relation, subject=self.request.subject)


def cases(model, name: str, template: int, n: int, seed: int = 0, tokens: int = 1) -> list[Case]:
    """``n`` facts that a model knows, each with another of the relation's answers, and all that it is compared with.

    Args:
        tokens: the least length of their subjects.

    Raises:
        ValueError: if the model knows too few.
    """
    asked = relation(name)
    found = []
    for group in alike(model, asked, template, tokens):
        found += _cases(model, asked, template, group, seed)
    random.Random(stable_hash("cases", seed, name)).shuffle(found)
    if len(found) < n:
        raise ValueError(f"the model knows {len(found)} facts of {name} that can be compared, not {n}")
    return found[:n]


def alike(model, asked: Relation, template: int, tokens: int = 1) -> list[list[Fact]]:
    """The facts that a model knows in one template, in groups of equally long prompts and subjects.

    Args:
        tokens: the least length of a subject.
    """
    groups = defaultdict(list)
    for fact in known_facts(model, asked, [f for f in asked.facts if f.other is None], template):
        prompt = asked.prompt(fact, template)
        span = token_span(model.tokenizer, prompt, asked.place(fact, template))
        if span.stop - span.start >= tokens:
            groups[len(prompt_ids(model.tokenizer, prompt)), span.start, span.stop].append(fact)
    return list(groups.values())


def _cases(model, asked: Relation, template: int, group: Sequence[Fact], seed: int) -> Iterator[Case]:
    token = {fact: first_token(model, asked.prompt(fact, template), fact.answer) for fact in group}
    shared = len({fact.answer for fact in group}) < len(group)  # then a case needs another subject of its answer
    for fact in group:
        rng = random.Random(stable_hash("case", seed, asked.name, fact.subject))
        beside = [f for f in group if f.subject != fact.subject]
        same = [f for f in beside if f.answer == fact.answer]
        new = rng.choice([f for f in beside if token[f] != token[fact]] or [None])
        if new is None or shared and not same:
            continue
        others = [f for f in beside if token[f] not in (token[fact], token[new])]
        if len(others) < len(get_args(Part)) * PAIRS:
            continue
        request = EditRequest(fact.subject, asked.templates[template], fact.answer, new.answer, relation=asked.name)
        few = rng.sample(others, len(get_args(Part)) * PAIRS)
        yield Case(request, rng.choice(same) if same else None, new, tuple(few))


def case_pairs(model, case: Case, part: Part = "found", *, subject: str = "", answer: str = "") -> PromptPairs:
    """Pairs that ask about one subject beside `PAIRS` others; no other stands in two parts.

    Args:
        subject: who is asked about; the case's own by default.
        answer: what is right; by default what was before the edit.
    """
    asked, request = relation(case.request.relation), case.request
    template = asked.templates.index(request.prompt)
    first = get_args(Part).index(part) * PAIRS
    others = case.others[first : first + PAIRS]
    subject, answer = subject or request.subject, answer or request.old
    own = asked.prompt(Fact(asked.name, subject, answer), template)
    n = len(others)
    return PromptPairs.from_prompts(
        model,
        [own] * n,
        [asked.prompt(other, template) for other in others],
        [f" {answer}"] * n,
        [f" {other.answer}" for other in others],
        subjects=[subject] * n,
        first_token=True,
    )


def circuit_of(model, pairs: PromptPairs, size: int) -> Circuit:
    """The circuit of one fact, by EAP-IG."""
    return eap_ig(model, pairs).greedy(size)
