"""SmolLM2 in the book's explorer: the relations that it knows, and three skills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

from _tools.explorer_circuits import Halves
from _tools.explorer_data import Entry, Job, Source, about, questions
from _tools.explorer_prompts import head_reasons, skill_classes
from helpers.atlas.skills import indirect_object_pairs
from helpers.prompts.facts import relation_pairs
from helpers.prompts.relations import relation
from helpers.studies.smollm2.circuits import known_relations
from helpers.studies.smollm2.skills import SKILLS
from helpers.studies.tables import read_table

MODEL = "smollm2"
SIZES = (100, 200, 400, 800)
SEARCHES = (("eap_ig", "corrupt"), ("eap", "corrupt"))
PROMPTS = 2
FOUND_ON, JUDGED_ON = 20, 20


def relation_entry(model, name: str, paraphrase: int) -> Entry:
    """A relation: circuits found on facts of one half and judged on those of the other.

    Raises:
        ValueError: for an unknown relation, or one of which the model knows too little.
    """
    asked = partial(relation_pairs, model, name, paraphrase=paraphrase)
    halves = Halves(asked(FOUND_ON, split="train"), asked(JUDGED_ON, split="test"))
    entry = questions(model, halves, SEARCHES, prompts=PROMPTS, sizes=SIZES)
    return entry | {"heads": head_reasons(read_table("smollm2_heads").query("relation == @name"))}


@cache
def _skill_heads(model) -> dict[str, object]:
    return skill_classes(model, indirect_object_pairs(model, FOUND_ON, split="train"))


def skill_entry(model, name: str, contrast: str) -> Entry:
    """A skill, with the classes that heads have in skills."""
    make = SKILLS[name, contrast]
    halves = Halves(make(model, FOUND_ON, "train"), make(model, JUDGED_ON, "test"))
    entry = questions(model, halves, SEARCHES, sizes=SIZES)
    return entry | {"heads": _skill_heads(model)}


def jobs(model) -> Iterator[Job]:
    """All jobs: a relation or a skill each."""
    for name, paraphrase in known_relations().items():
        entry = partial(relation_entry, model, name, paraphrase)
        yield Job(name, partial(_one, name, relation(name).kind, entry))
    for name, contrast in {name: contrast for name, contrast in reversed(SKILLS)}.items():  # each one's first contrast
        yield Job(name, partial(_one, name, "skill", partial(skill_entry, model, name, contrast)))


def _one(name: str, group: str, make: Callable[[], Entry]) -> list[tuple]:
    entry = make()
    return [(about(name, group, name.replace("_", " "), entry, name), entry, None)]


SOURCE = Source(MODEL, "SmolLM2-135M (30 layers)", jobs, 200)
