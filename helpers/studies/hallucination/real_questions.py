"""Facts of the real world that SmolLM2 is asked in several templates: where it is wrong, and whether it knows better.

A wrong answer is *known* here if the model answers the same fact rightly in another template, and *unknown* if it does
so in none. That is a test of the model, not of its training, which nobody can look up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.models.network import Network, read_network
from helpers.models.predict import prompt_ids, token_span
from helpers.models.run import forward, keys_and_values
from helpers.prompts.facts import answer_row, split_of
from helpers.prompts.relations import Relation, relations
from helpers.studies.hallucination.contests import Asked, batches
from helpers.studies.tables import read_table

KIND = "factual"  # common sense has many right answers to most questions
TEMPLATES, FACTS = 3, 40  # of a relation, at most
KNOWN, UNKNOWN = "right in another template", "right in none"
SAID = ("right", "right, by a detour", "another answer", "the subject again", "another word")
STEM = 4  # letters that " Malaysian" and "Malaysia" have in common
LETTERS = 3  # of a first token, at least: shorter ones begin too many words to say which was meant
GOES_ON = 5  # tokens after the first, in which the right answer may still come


def asked_templates(least: float = 0.1) -> dict[str, list[int]]:
    """The templates of each relation in which SmolLM2 answers best, of those in which it answers some facts.

    Where a model doesn't answer at all, its words are no answers, and not wrong ones either. Relations with a single
    such template are left out: they can't tell known from unknown.
    """
    knows = read_table("smollm2_knows").query("model == 'smollm2' and hit1 >= @least")
    ranked = knows.sort_values(["relation", "hit1", "template"], ascending=[True, False, True])
    best = ranked[ranked.kind == KIND].groupby("relation").template.apply(lambda t: t.head(TEMPLATES).tolist())
    return {name: templates for name, templates in best.items() if len(templates) > 1}


def questions_of(model, asked: Relation, templates: Sequence[int]) -> list[Asked]:
    """Some facts of a relation (`FACTS`, drawn once), each in all templates; see `LETTERS` for what is left out."""
    facts, result = {}, []
    for fact in asked.facts:
        facts.setdefault(fact.subject, fact)
    drawn = random.Random(asked.name).sample(list(facts.values()), min(FACTS, len(facts)))
    for template in templates:
        members = _first_tokens(model, asked.prompt(drawn[0], template), asked.answers)
        for fact in drawn:
            prompt = asked.prompt(fact, template)
            right = _first_tokens(model, prompt, [fact.answer, *(f.answer for f in asked.about(fact.subject))])
            if right and fact.answer.startswith(model.tokenizer.decode(right[:1]).strip()):
                ids, place = prompt_ids(model.tokenizer, prompt), asked.place(fact, template)
                span = token_span(model.tokenizer, prompt, place)
                result.append(Asked(fact, template, prompt, tuple(ids), span, tuple(right), tuple(members)))
    return result


def _first_tokens(model, prompt: str, answers: Sequence[str]) -> list[int]:
    """The tokens that begin the answers, each in its own spelling and then with the other case."""
    spelled = [text for answer in answers for text in (answer, answer[0].swapcase() + answer[1:])]
    firsts = [row[0] for row in (answer_row(model, prompt, text) for text in spelled) if row]
    words = {token: model.tokenizer.decode([token]).strip() for token in firsts}
    return [token for token, word in words.items() if word.isalpha() and len(word) >= LETTERS]


def said_kind(tokenizer, question: Asked, said: int, goes_on: str) -> str:
    """Which of `SAID` an answer is, the first that fits; ``goes_on`` is what the model says after the token."""
    if said in question.accepted:
        return SAID[0]
    word = tokenizer.decode([said]).strip().lower()
    if question.fact.answer.lower() in f"{word}{goes_on}".lower():
        return SAID[1]
    if said in question.members:
        return SAID[2]
    again = any(len(word) >= STEM and part.lower()[:STEM] == word[:STEM] for part in question.fact.subject.split())
    return SAID[3] if again else SAID[4]


@torch.no_grad()
def continued(
    net: Network, tokenizer, asked: Sequence[Asked], said: Int[Tensor, " question"], tokens: int = GOES_ON
) -> list[str]:
    """The text that greedy decoding adds after the first token said."""
    result = [""] * len(asked)
    for places, ids in batches(asked):
        past, token, start = keys_and_values(net, net.embed(ids)), said[places], ids.shape[1] + 1
        for length in range(start - 1, start - 1 + tokens):
            ids, grown = torch.cat((ids, token[:, None]), 1), []
            for step in forward(net, net.embed(ids, length), past=past):
                if not step.is_mlp:
                    _, k, v = step.qkv
                    before = past[step.sublayer // 2]
                    grown.append(
                        tuple(torch.cat(two, 1) for two in zip(before, (net.rotate(k, length), v), strict=True))
                    )
            past, token = tuple(grown), net.unembed(step.after[:, -1]).argmax(-1)
        for place, row in zip(places, torch.cat((ids, token[:, None]), 1)[:, start:], strict=True):
            result[place] = tokenizer.decode(row)
    return result


def asked_rows(model, asked: Sequence[Asked], logits: Float[Tensor, "question d_vocab"]) -> pd.DataFrame:
    """What the model says to each question, of which kind that is, and whether it says the right answer elsewhere."""
    tokenizer, said, likely, rows = model.tokenizer, logits.argmax(-1), logits.softmax(-1), []
    wrong, texts = [i for i, question in enumerate(asked) if said[i] not in question.accepted], [""] * len(asked)
    goes_on = continued(read_network(model), tokenizer, [asked[i] for i in wrong], said[wrong])
    for place, text in zip(wrong, goes_on, strict=True):
        texts[place] = text
    for question, token, text, row, p in zip(asked, said.tolist(), texts, logits, likely, strict=True):
        fact, first = question.fact, question.accepted[0]
        about = dict(relation=fact.relation, subject=fact.subject, template=question.template, half=split_of(fact))
        about |= dict(answer=fact.answer, said=tokenizer.decode([token]).strip(), goes_on=text.split("\n")[0])
        about |= dict(kind=said_kind(tokenizer, question, token, text), probability=p[token].item())
        rows.append(about | dict(answer_rank=int((row > row[first]).sum()) + 1))
    table = pd.DataFrame(rows)
    says = table.kind.isin(SAID[:2])
    elsewhere = says.groupby(table.subject).transform("sum") - says > 0
    return table.assign(right=table.kind == SAID[0], known=elsewhere.map({True: KNOWN, False: UNKNOWN}))


def asked_relations() -> Iterator[tuple[Relation, list[int]]]:
    """The relations that are asked, with their templates."""
    for name, templates in asked_templates().items():
        yield relations(KIND)[name], templates
