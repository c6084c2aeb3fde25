"""SmolLM2 in the book's explorer: the relations that it knows, and three skills."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache, partial

from _tools.explorer_circuits import Halves
from _tools.explorer_data import Entry, Job, Source, about, questions
from _tools.explorer_prompts import head_reasons, skill_classes
from helpers.atlas.skills import indirect_object_pairs, induction_pairs
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, relation, stable_hash

MODEL = "smollm2"
SIZES = (100, 200, 400, 800)
SEARCHES = (("eap_ig", "corrupt"), ("eap", "corrupt"))
PROMPTS = 2
FOUND_ON, JUDGED_ON = 20, 30
# Relations of which it knows more than thirty facts (table smollm2_knows), and the paraphrase in which it knows most.
PARAPHRASES = {"country_capital": 0, "country_language": 0}
EVENTS = {
    "train": ("war", "siege", "voyage", "strike", "reign", "project", "famine", "trial"),
    "test": ("festival", "journey", "campaign", "dispute", "drought", "crisis"),
}
LASTED = "The {event} lasted from the year {century}{decade}{year} to the year {century}"


def relation_entry(model, name: str, paraphrase: int) -> Entry:
    """A relation: circuits found on facts of one half and judged on those of the other.

    Raises:
        ValueError: for an unknown relation, or one of which the model knows too little.
    """
    asked = partial(relation_pairs, model, name, paraphrase=paraphrase)
    halves = Halves(asked(FOUND_ON, split="train"), asked(JUDGED_ON, split="test"))
    entry = questions(model, halves, SEARCHES, prompts=PROMPTS, sizes=SIZES)
    return entry | {"heads": head_reasons(model, halves.train)}


def next_digit_pairs(model, n: int, split: Split) -> PromptPairs:
    """Greater-than (arXiv 2305.00586) for a tokenizer that writes digit by digit: which decade may an event end in?

    The clean prompt's event begins in the twenties to the seventies, the corrupt one's in the year 01. The answer is a
    later decade, the wrong one an earlier one.
    """
    rng = random.Random(stable_hash("next digit", split))
    rows = []
    for _ in range(n):
        event, century, decade = rng.choice(EVENTS[split]), rng.randint(11, 19), rng.randint(2, 7)
        begins = (decade, rng.randint(1, 9)), (0, 1)
        prompts = (LASTED.format(event=event, century=century, decade=d, year=y) for d, y in begins)
        rows.append((*prompts, str(rng.randint(decade + 1, 9)), str(rng.randint(0, decade - 1))))
    return PromptPairs.from_prompts(model, *(list(column) for column in zip(*rows, strict=True)))


SKILLS: dict[str, Callable[..., PromptPairs]] = {
    "indirect_objects": lambda model, n, split: indirect_object_pairs(model, n, split=split),
    "induction": lambda model, n, split: induction_pairs(model, n, seed=("train", "test").index(split)),
    "greater_than": next_digit_pairs,
}


@cache
def _skill_heads(model) -> dict[str, object]:
    return skill_classes(model, indirect_object_pairs(model, FOUND_ON, split="train"))


def skill_entry(model, name: str) -> Entry:
    """A skill, with the classes that heads have in skills."""
    halves = Halves(SKILLS[name](model, FOUND_ON, "train"), SKILLS[name](model, JUDGED_ON, "test"))
    entry = questions(model, halves, SEARCHES, sizes=SIZES)
    return entry | {"heads": _skill_heads(model)}


def jobs(model) -> Iterator[Job]:
    """All jobs: a relation or a skill each."""
    for name, paraphrase in PARAPHRASES.items():
        entry = partial(relation_entry, model, name, paraphrase)
        yield Job(name, partial(_one, name, relation(name).kind, entry))
    for name in SKILLS:
        yield Job(name, partial(_one, name, "skill", partial(skill_entry, model, name)))


def _one(name: str, group: str, make: Callable[[], Entry]) -> list[tuple]:
    entry = make()
    return [(about(name, group, name.replace("_", " "), entry, name), entry, None)]


SOURCE = Source(MODEL, "SmolLM2-135M (30 layers)", jobs, 200)
