"""What searches are judged on: relations of several kinds and skills, their pairs, and another task beside each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.atlas.skills import indirect_object_pairs, induction_pairs
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, relation
from helpers.searches.attribution import eap_ig
from helpers.studies.which_search.candidates import BASELINES, SEARCHES, SLOW, Search

REFERENCE = "EAP-IG"  # what the book used before; another task's circuits are this search's
ANOTHER = "another task's"
PAIRS: dict[Split, int] = {"train": 20, "test": 40}


@dataclass(frozen=True)
class Task:
    """What a model is asked, and another task of other prompts and answers, whose circuits are a baseline."""

    model: str
    name: str
    other: str

    @property
    def kind(self) -> str:
        """The kind of the relation (factual, commonsense, ...), or that it is a skill."""
        return "skill" if self.name in SKILLS else relation(self.name).kind


def _induction(model, n: int, seed: int, split: Split) -> PromptPairs:
    """Its tokens are drawn at random, so another seed gives another half."""
    return induction_pairs(model, n, 2 * seed + (split == "test"))


SKILLS = {"indirect_objects": indirect_object_pairs, "induction": _induction}
TASKS = (
    Task("atlas", "country_capital", "past_tense"),
    Task("atlas", "landmark_country", "antonym"),
    Task("atlas", "person_occupation", "thing_color"),
    Task("atlas", "person_employer", "past_tense"),
    Task("atlas", "thing_color", "landmark_country"),
    Task("atlas", "work_location", "past_tense"),
    Task("atlas", "antonym", "country_capital"),
    Task("atlas", "past_tense", "person_occupation"),
    Task("atlas", "indirect_objects", "induction"),
    Task("smollm2", "country_capital", "element_symbol"),
    Task("smollm2", "indirect_objects", "induction"),
)
# Where a judge takes long on Atlas: a task of each kind, and one whose subjects' names have several tokens.
FEW = ("country_capital", "person_occupation", "person_employer", "thing_color", "antonym", "indirect_objects")


def few_tasks(model: str) -> list[Task]:
    """The tasks of a model that slow judges take."""
    return [task for task in TASKS if task.model == model and task.name in FEW]


def task_pairs(model, name: str, split: Split = "train", seed: int = 0) -> PromptPairs:
    """Pairs of one half of a task, `PAIRS` many; in the test half every clean prompt counts once.

    No subject of a relation, and no two names of a skill, are in both halves.
    """
    if name in SKILLS:
        pairs = SKILLS[name](model, PAIRS[split], seed, split)
    else:
        pairs = relation_pairs(model, name, PAIRS[split], seed, split)
    return pairs.select([pairs.clean.index(text) for text in dict.fromkeys(pairs.clean)]) if split == "test" else pairs


def another_task(task: Task) -> Search:
    """The reference search in the other task's pairs, whatever pairs it is given: a search that looks elsewhere."""
    return lambda model, pairs: eap_ig(model, task_pairs(model, task.other))


def searches_for(task: Task) -> Mapping[str, Search]:
    """What is judged in a task: all searches that aren't too slow for its model, and the baselines."""
    return SEARCHES | (SLOW if task.model == "atlas" else {}) | BASELINES | {ANOTHER: another_task(task)}
