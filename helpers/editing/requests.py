"""What an edit is asked to do, and everything that it is judged by.

A request names a fact and its new answer. It carries the questions of its evaluation: the same fact in other words,
facts that have to stay, and facts that should follow.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

from helpers.checks import Count, Model, Whole, checked
from helpers.models.predict import answer_ids, first_token, prompt_ids, top1_correct
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import (
    ALL_KINDS,
    Fact,
    Relation,
    held_out_paraphrases,
    hops,
    relation,
    relations,
    sentence_case,
    stable_hash,
    taught_paraphrases,
)

WORDINGS = 2  # templates beside the prompt that an editor may look at
Tables = dict[str, Relation]
NEIGHBOURS, SAME_SUBJECT = 8, 4  # questions about other subjects, and about other relations of the subject
REVERSED = {"country_capital": "capital_country", "novel_author": "author_novel"}
REVERSED |= {there: back for back, there in REVERSED.items()}


@checked
@dataclass(frozen=True)
class Question:
    """A prompt with the answer that is right *after* the edit, and the one that must lose to it.

    ``kind`` says what is asked: ``taught`` or ``held out`` (a paraphrase in which training stated the fact, or never),
    ``same relation`` or ``same subject`` (neighbours), ``first hop``, ``second hop`` or ``reversed``.

    Raises:
        ValueError: without a prompt or an answer.
    """

    prompt: str
    answer: str
    rival: str
    kind: str

    def __post_init__(self) -> None:
        if not (self.prompt and self.answer):
            raise ValueError(f"a question needs a prompt and an answer, not {self.prompt!r} and {self.answer!r}")


@checked
@dataclass(frozen=True)
class EditRequest:
    """A fact and its new answer, with the questions that judge the edit.

    ``prompt`` and ``wordings`` are templates with ``{}`` for the subject; editors see them and nothing else of the
    evaluation. Answers stand without their leading space.

    Raises:
        ValueError: if a template lacks its ``{}``, a part is of another type, empty or has spaces around it, or
            nothing would change.
    """

    subject: str
    prompt: str
    old: str
    new: str
    wordings: Sequence[str] = ()
    paraphrases: Sequence[Question] = ()
    neighbours: Sequence[Question] = ()
    portability: Sequence[Question] = ()
    relation: str = ""

    def __post_init__(self) -> None:
        for template in (self.prompt, *self.wordings):
            if template.count("{}") != 1:
                raise ValueError(f"a prompt needs '{{}}' exactly once where the subject stands, not so in {template!r}")
        parts = (self.subject, self.old, self.new)
        if not all(parts) or self.old == self.new:
            raise ValueError(f"an edit needs a subject and two different answers, not {self.subject!r}: "
                             f"{self.old!r} -> {self.new!r}")  # fmt: skip
        if spaced := [part for part in parts if part != part.strip()]:
            raise ValueError(f"subjects and answers stand without spaces around them, not so {spaced[0]!r}")

    @property
    def text(self) -> str:
        """The prompt with its subject."""
        return fill(self.prompt, self.subject)

    @property
    def question(self) -> Question:
        """The edit's own question: what its efficacy is measured by."""
        return Question(self.text, self.new, self.old, "prompt")


def fill(template: str, subject: str) -> str:
    """A template with its subject, its first letter in upper case."""
    return sentence_case(template.replace("{}", subject))


@checked
def parting(tokenizer, question: Question) -> tuple[list[int], int | None, int | None]:
    """Where a question's two answers part, which isn't always at their first tokens ("New Delhi", "New York").

    Returns:
        The ids of the prompt with what the answers share, and the next token of each: the answer's, the rival's.
        ``None`` stands for the end of one that is the beginning of the other.

    Raises:
        ValueError: if the two are the same tokens, or the question has no rival.
    """
    if not question.rival:
        raise ValueError(f"the question {question.prompt!r} has no rival to {question.answer!r}; give one")
    right, rival = (answer_ids(tokenizer, question.prompt, f" {a}") for a in (question.answer, question.rival))
    if right == rival:
        raise ValueError(f"{question.answer!r} and {question.rival!r} are the same tokens after {question.prompt!r}")
    shared = len(commonprefix([right, rival]))
    ids = [*prompt_ids(tokenizer, question.prompt), *right[:shared]]
    return ids, *(answer[shared] if shared < len(answer) else None for answer in (right, rival))


@checked
def edit_requests(
    model: Model,
    relation_or_name: Relation | str,
    n: Count,
    seed: Whole = 0,
    among: Sequence[Relation] | None = None,
) -> list[EditRequest]:
    """Requests over a relation of the book: facts that the model knows, each with another of the relation's answers.

    The prompt and `WORDINGS` more templates are among those in which training stated the fact; its other templates
    judge the edit, the two in which training never stated it marked as ``held out``.

    Args:
        among: where else the subject may stand, and what follows is looked for; by default all of the book's relations.

    Raises:
        ValueError: if the model knows too few of the relation's facts; the message says how many.
    """
    asked = relation(relation_or_name)
    known = [fact for fact in known_facts(model, asked) if fact.other is None]
    if n > len(known):
        raise ValueError(
            f"the model knows {len(known)} facts of {asked.name}, not {n}; ask for fewer, or choose another model"
        )
    rng = random.Random(stable_hash("edits", seed, asked.name))
    tables = relations(*ALL_KINDS) if among is None else {table.name: table for table in among}
    return [_request(model, asked, tables, fact, known, rng) for fact in rng.sample(known, n)]


def _request(model, asked: Relation, tables: Tables, fact: Fact, known: list[Fact], rng: random.Random) -> EditRequest:
    taught = list(taught_paraphrases(asked, fact))
    rng.shuffle(taught)
    own, wordings, judges = taught[0], taught[1 : 1 + WORDINGS], taught[1 + WORDINGS :]
    prompt = asked.prompt(fact, own)
    old = first_token(model, prompt, fact.answer)
    answers = sorted({f.answer for f in known} - {fact.answer})
    others = [a for a in answers if first_token(model, prompt, a) != old] or answers  # best if they part at once
    if not others:
        raise ValueError(f"{asked.name} has no other answer than {fact.answer!r} that the model knows")
    new = rng.choice(others)
    paraphrases = [(p, "taught") for p in judges] + [(p, "held out") for p in held_out_paraphrases(asked, fact)]
    return EditRequest(
        subject=fact.subject,
        prompt=asked.templates[own],
        old=fact.answer,
        new=new,
        wordings=tuple(asked.templates[p] for p in wordings),
        paraphrases=tuple(Question(asked.prompt(fact, p), new, fact.answer, kind) for p, kind in paraphrases),
        neighbours=_neighbours(model, asked, tables, fact, new, own, known, rng),
        portability=_followers(model, asked, tables, fact, new, rng),
        relation=asked.name,
    )


def _neighbours(model, asked, tables, fact, new, own, known, rng) -> tuple[Question, ...]:
    others = [f for f in known if f.subject != fact.subject and f.answer not in (new, fact.answer)]
    others = known_facts(model, asked, rng.sample(others, min(2 * NEIGHBOURS, len(others))), own)[:NEIGHBOURS]
    found = [Question(asked.prompt(f, own), f.answer, new, "same relation") for f in others]
    about = [f for table in tables.values() for f in table.about(fact.subject) if table.name != asked.name]
    about = [f for f in about if f.well_taught]
    for other in rng.sample(about, min(SAME_SUBJECT, len(about))):
        table = tables[other.relation]
        # The edit may change a composed answer rightly; then it is a matter of portability.
        if asked.name not in hops(*ALL_KINDS).get(table.name, ()) and known_facts(model, table, [other]):
            prompt = table.prompt(other, taught_paraphrases(table, other)[0])
            if other.answer != new:
                found.append(Question(prompt, other.answer, new, "same subject"))
    return tuple(found)


def _answer(table: Relation, subject: str) -> str | None:
    return next((f.answer for f in table.about(subject)), None)


def _followers(
    model, asked: Relation, tables: Tables, fact: Fact, new: str, rng: random.Random
) -> tuple[Question, ...]:
    """What should follow, if the model knew it before: two-step facts through this one, and the fact backwards."""
    found = []
    for name, (first, second) in hops(*ALL_KINDS).items():
        if not {name, first, second} <= tables.keys():
            continue
        table = tables[name]
        if asked.name == first and (old := _answer(table, fact.subject)) and (then := _answer(tables[second], new)):
            found.append((Fact(name, fact.subject, then), old, "first hop"))
        if asked.name == second:
            leading = {f.subject for f in tables[first].facts if f.answer == fact.subject}
            through = [f for f in table.facts if f.subject in leading and f.answer == fact.answer]
            found += [(Fact(name, f.subject, new), f.answer, "second hop") for f in through[:2]]
    back = tables.get(REVERSED.get(asked.name, ""))
    if back and (old := _answer(back, new)):
        found.append((Fact(back.name, new, fact.subject), old, "reversed"))
    questions = []
    for other, rival, kind in found:
        table = tables[other.relation]
        prompt = table.prompt(other, rng.randrange(len(table.templates)))
        if rival != other.answer and top1_correct(model, [prompt], [f" {rival}"]):
            questions.append(Question(prompt, other.answer, rival, kind))
    return tuple(questions)
