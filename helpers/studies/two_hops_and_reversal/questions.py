"""Questions of two steps, with the words that describe the step between: of SmolLM2, of Atlas and of the circle.

The *bridge* is never named; a description stands for it ("the country where you find the Eiffel Tower"). For each
question the table also has another one with the same description, and the questions of the two steps alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from helpers.atlas.clans import compositions
from helpers.atlas.composed import ALIASES
from helpers.models.network import read_network
from helpers.models.predict import first_token, logits_after, prompt_ids
from helpers.prompts.relations import CIRCLE, Fact, relation, sentence_case
from helpers.studies.tables import read_table

BRIDGES = {"landmark_country": "the country where you find {}", "company_country": "the home country of {}"}
SECONDS = {"country_capital": "country_language", "country_language": "country_capital"}  # and the other question
# In Atlas: the composed relation and a template in which the description comes before the question; the description.
ATLAS = {
    "seats": ("person_employer_seat", 0, "the company that {} works for"),
    "firms' seats": ("resident_firm_seat", 0, "the firm that pays {}"),
    "firms' products": ("resident_firm_product", 0, "the firm that pays {}"),
    "firms' owners": ("resident_firm_owner", 0, "the firm that pays {}"),
    "capitals": ("landmark_country_capital", 1, "the country that is home to {}"),
    "languages": ("company_country_language", 1, "the home country of {}"),
}
HOPS = {"person_employer_seat": ("person_employer", "employer_seat")}
FIRSTS = {
    "landmark_country": "{} is located in the country of",
    "company_country": "{} is a company from the country of",
}  # the first step, asked of SmolLM2
COLUMNS = (
    *("kind", "subject", "description", "bridge", "named", "answer", "other_answer", "case", "prompt"),
    *("at_description", "at_end", "first_prompt", "second_prompt", "named_prompt"),
)
COUNTED = 40  # compositions of the circle that training states so often each
CIRCLES = ("atlas2-circle", "atlas2-circle-seed1")


PEOPLE = ("seats", "firms' seats", "firms' products", "firms' owners")  # invented, as all that is asked about them


def group_of(model: str, kind: str) -> str:
    """What a kind of question is about: invented people, the real world, or the circle."""
    if model in CIRCLES:
        return "circle"
    return "people" if kind in PEOPLE else "world"


def best_template(name: str) -> int:
    """The template in which SmolLM2 knows most facts of a relation (``smollm2_knows``)."""
    table = read_table("smollm2_knows").query("model == 'smollm2' and relation == @name")
    return int(table.sort_values("hit1", ascending=False, kind="stable").template.iloc[0])


def questions(model: str) -> pd.DataFrame:
    """The questions of two steps for a model, columns `COLUMNS`; ``case`` is ``told``, ``held out`` or ``unknown``.

    ``at_description`` and ``at_end`` are prompts whose states, at the description's last token and at the end, know of
    the bridge and not of this question. In SmolLM2 they ask another question about the bridge. In Atlas and the circle
    a description comes before its question, so its state in the prompt itself will do; the other prompt asks for the
    bridge. ``other_answer`` is what the prompt whose state is taken asks for. ``named_prompt`` names the bridge instead
    of describing it, in the words of the second step (``named``).
    """
    rows = _real() if model == "smollm2" else _circle() if model in CIRCLES else _atlas()
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ask(name: str, subject: str, template: int) -> str:
    return relation(name).prompt(Fact(name, subject, ""), template)


def _real() -> Iterator[tuple]:
    best = {name: best_template(name) for name in SECONDS}
    for first, words in BRIDGES.items():
        for second, other in SECONDS.items():
            answers, aside_answers = ({f.subject: f.answer for f in relation(n).facts} for n in (second, other))
            for fact in relation(first).facts:
                named = ALIASES.get(fact.answer, fact.answer)
                if named not in answers or named not in aside_answers:
                    continue
                described = words.format(fact.subject)
                prompt, aside = (_ask(name, described, best[name]) for name in (second, other))
                alone = sentence_case(FIRSTS[first].format(fact.subject))
                steps = [_ask(name, named, best[name]) for name in (second, other)]
                kind = f"{first.split('_')[0]}: {second.split('_')[1]}"
                about = kind, fact.subject, described, fact.answer, named, answers[named], aside_answers[named]
                yield *about, "unknown", prompt, aside, aside, alone, *steps


def _atlas() -> Iterator[tuple]:
    for kind, (name, template, words) in ATLAS.items():
        asked = relation(name)
        first, second = HOPS.get(name) or asked.properties["hops"]
        bridges = {f.subject: f.answer for f in relation(first).facts}
        for fact in asked.facts:
            bridge, alone = bridges[fact.subject], _ask(first, fact.subject, 0)
            case = "held out" if fact.group == "held out" else "told"
            named, prompt = ALIASES.get(bridge, bridge), asked.prompt(fact, template)
            about = kind, fact.subject, words.format(fact.subject), bridge, named, fact.answer, bridge, case
            yield *about, prompt, prompt, alone, alone, *[_ask(second, named, 0)] * 2


def _circle() -> Iterator[tuple]:
    for asked in compositions(CIRCLE, COUNTED).values():
        first, second = asked.properties["hops"]
        bridges = {f.subject: f.answer for f in relation(first).facts}
        for fact in asked.facts:
            if fact.group == "unseen step":
                continue
            bridge = bridges[fact.subject]
            described = f"{fact.subject}'s {relation(first).properties['label']}"
            alone, prompt = _ask(first, fact.subject, 0), asked.prompt(fact, 0)
            case = "told" if fact.group == "taught" else "held out"
            about = second, fact.subject, described, bridge, bridge, fact.answer, bridge, case
            yield *about, prompt, prompt, alone, alone, *[_ask(second, bridge, 0)] * 2


def first_words(model, prompts: Sequence[str], answers: Sequence[str]) -> tuple[Int[Tensor, " q"], Int[Tensor, " q"]]:
    """The likeliest next token after each prompt, and the first token of each answer."""
    distinct = list(dict.fromkeys(prompts))
    ids = [prompt_ids(model.tokenizer, prompt) for prompt in distinct]
    said = dict(zip(distinct, logits_after(read_network(model), ids)[:, 0].argmax(-1).tolist(), strict=True))
    first = [first_token(model, *pair) for pair in zip(prompts, answers, strict=True)]
    return torch.tensor([said[prompt] for prompt in prompts]), torch.tensor(first)


def asked(model, table: pd.DataFrame) -> pd.DataFrame:
    """The questions with what is said (``said``, ``first``: token ids), ``right``, and whether each step alone is."""
    table = table.reset_index(drop=True)
    said, first = first_words(model, table.prompt.tolist(), table.answer.tolist())
    steps = {"first_right": (table.first_prompt, table.bridge), "second_right": (table.second_prompt, table.answer)}
    alone = {}
    for name, (prompts, answers) in steps.items():
        step, right = first_words(model, prompts.tolist(), answers.tolist())
        alone[name] = (step == right).tolist()
    return table.assign(said=said.tolist(), first=first.tolist(), right=(said == first).tolist(), **alone)
