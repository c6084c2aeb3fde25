"""Facts that SmolLM2 knows, each with another answer, and the questions that judge the edit: what follows, too.

A composed question ("The capital of the country where you find the Eiffel Tower is") is asked only if the model
answers it rightly before the edit, so that an answer which doesn't follow isn't one that it could never find.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from helpers.editing.requests import REVERSED, EditRequest, Question
from helpers.models.predict import first_token, top1_correct
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import Fact, Relation, relation
from helpers.studies.tables import read_table

RELATIONS = ("country_capital", "country_language", "landmark_country", "company_country")
ASKED = (60, 50, 70, 109)  # facts of each that are asked
EDITS = 13  # of each relation
PARAPHRASES, NEIGHBOURS, FOLLOWERS = 2, 3, 2  # questions of an edit; followers of each kind
BRIDGES = {"landmark_country": "the country where you find {}", "company_country": "the home country of {}"}
SECOND = ("country_capital", "country_language", "country_continent")  # what is asked of a country
WORDINGS = (1, 3)  # ranks of the templates that an editor may see beside the prompt; the others judge


def by_rank(name: str) -> list[int]:
    """A relation's templates, that in which SmolLM2 knows most first (``smollm2_knows``)."""
    table = read_table("smollm2_knows").query("model == 'smollm2' and relation == @name")
    return table.sort_values("hit1", ascending=False, kind="stable").template.tolist()


def edited_before() -> set[str]:
    """The subjects of the edits by which the layers were chosen (``own_edits``)."""
    return set(read_table("own_edits").subject)


def real_requests(model, name: str, n: int = EDITS) -> list[EditRequest]:
    """Requests of one relation. Neighbours are facts that no request is about."""
    asked, order, rng = relation(name), by_rank(name), random.Random(name)
    some = rng.sample(list(asked.facts), ASKED[RELATIONS.index(name)])
    known = [f for f in known_facts(model, asked, some, order[0]) if f.subject not in edited_before()]
    if len(known) < n + NEIGHBOURS:
        raise ValueError(f"the model knows {len(known)} facts of {name}, too few for {n} edits and their neighbours")
    chosen, rest = known[:n], known[n:]
    requests = [_request(model, asked, order, fact, known, rest, rng) for fact in chosen]
    return _with_followers(model, asked, requests, rest)


def _request(model, asked: Relation, order, fact: Fact, known, rest, rng: random.Random) -> EditRequest:
    prompt = asked.prompt(fact, order[0])
    old = first_token(model, prompt, fact.answer)
    answers = sorted({f.answer for f in known} - {fact.answer})
    new = rng.choice([a for a in answers if first_token(model, prompt, a) != old])
    near = [f for f in rest if f.answer not in (new, fact.answer)]
    judges = [p for rank, p in enumerate(order) if rank and rank not in WORDINGS][:PARAPHRASES]
    about = [Question(asked.prompt(fact, p), new, fact.answer, "held out") for p in judges]
    stay = rng.sample(near, min(NEIGHBOURS, len(near)))
    return EditRequest(
        subject=fact.subject,
        prompt=asked.templates[order[0]],
        old=fact.answer,
        new=new,
        wordings=tuple(asked.templates[order[rank]] for rank in WORDINGS),
        paraphrases=tuple(about),
        neighbours=tuple(Question(asked.prompt(f, order[0]), f.answer, new, "same relation") for f in stay),
        relation=asked.name,
    )


def _answer(name: str, subject: str) -> str | None:
    return next((f.answer for f in relation(name).about(subject)), None)


def _composed(name: str, phrase: str, answer: str, rival: str, kind: str) -> Iterator[Question]:
    """A question about a described country, in the two best templates."""
    asked = relation(name)
    for template in by_rank(name)[:2]:
        yield Question(asked.prompt(Fact(name, phrase, answer), template), answer, rival, kind)


def _candidates(asked: Relation, request: EditRequest, rest: Sequence[Fact]) -> Iterator[list[Question]]:
    """What may follow from a request, and the same of neighbours, who have to stay; each in its templates."""
    name, old, new = asked.name, request.old, request.new
    if name in BRIDGES:
        others = [f for f in rest if f.answer not in (old, new)][:1]
        for second in SECOND:
            before, after = _answer(second, old), _answer(second, new)
            if before and after and before != after:
                phrase = BRIDGES[name].format(request.subject)
                yield list(_composed(second, phrase, after, before, "first hop"))
                for f in others:
                    own = _answer(second, f.answer)
                    if own and own != after:
                        phrase = BRIDGES[name].format(f.subject)
                        yield list(_composed(second, phrase, own, after, "neighbour's hop"))
    else:
        for first, bridge in BRIDGES.items():
            inside = [f for f in relation(first).facts if f.answer == request.subject]
            for f in inside[:FOLLOWERS]:
                yield list(_composed(name, bridge.format(f.subject), new, old, "second hop"))
            away = {f.subject: f.answer for f in rest if f.answer != new}
            for f in [f for f in relation(first).facts if f.answer in away][:1]:
                yield list(_composed(name, bridge.format(f.subject), away[f.answer], new, "neighbour's hop"))
    back = REVERSED.get(name)
    if back and (now := _answer(back, new)):
        yield list(_composed(back, new, request.subject, now, "reversed"))


def _with_followers(model, asked: Relation, requests: list[EditRequest], rest: Sequence[Fact]) -> list[EditRequest]:
    """Each request with the composed questions that the model answers before the edit."""
    found = [(n, form) for n, request in enumerate(requests) for form in _candidates(asked, request, rest)]
    flat = [q for _, form in found for q in form]
    today = [q.answer if q.kind == "neighbour's hop" else q.rival for q in flat]
    said = iter(top1_correct(model, [q.prompt for q in flat], [f" {a}" for a in today]).tolist())
    kept: list[list[Question]] = [[] for _ in requests]
    for n, form in found:
        right = [q for q in form if next(said)]
        if right and sum(q.kind == right[0].kind for q in kept[n]) < FOLLOWERS:
            kept[n].append(right[0])
    return [replace(request, portability=tuple(some)) for request, some in zip(requests, kept, strict=True)]
