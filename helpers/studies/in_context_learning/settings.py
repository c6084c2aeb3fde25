"""How lists are asked in each model: which relations, in which format, and how large circuits are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from helpers.models.predict import top1_correct
from helpers.prompts.facts import split_of
from helpers.prompts.relations import Relation
from helpers.studies.in_context_learning.label_words import asked_relation
from helpers.studies.tables import read_table

DEMONSTRATIONS = 5
NOVEL = "novel pairs"  # stands for a relation where there is none
PAPER = ("comparative", "sentiment", "substance_phase", "occupation_gender", "person_occupation")  # in its table
WORDS_AND_PLACES = ("antonym", "past_tense", "country_capital")
UNLISTED = (  # told to Atlas in sentences only
    *("novel_author", "author_novel", "name_birthplace", "employer_seat", "person_hometown", "person_craft"),
    *(
        "firm_seat",
        "firm_owner",
        "firm_product",
        "resident_town",
        "resident_craft",
        "resident_animal",
        "resident_color",
    ),
)


@dataclass(frozen=True)
class Setting:
    """How a model is asked; ``style`` None is, fact by fact, the format in which Atlas was never shown it."""

    names: tuple[str, ...]
    style: str | None
    edges: int
    layers: Sequence[int]  # at which vectors are tried


ATLAS = tuple(name for name in (*PAPER, *WORDS_AND_PLACES) if name != "sentiment")
SETTINGS = {
    "smollm2": Setting((*PAPER, *WORDS_AND_PLACES), "arrow", 400, range(3, 27, 3)),
    "atlas2": Setting(ATLAS, None, 100, range(8)),
    "atlas2-seed1": Setting(ATLAS, None, 100, range(8)),
}


def best_template(model_name: str, name: str) -> int:
    """The sentence in which SmolLM2 knows most facts of a relation; Atlas was taught them all."""
    if model_name != "smollm2" or name == "sentiment":
        return 0
    knows = read_table("smollm2_knows")
    own = knows[(knows.model == "smollm2") & (knows.relation == name)]
    return int(own.loc[own.hit1.idxmax()].template)


def taught(name: str) -> Relation:
    """A relation without the facts that Atlas was told rarely, or in two ways that are both frequent."""
    asked = asked_relation(name)
    facts = tuple(f for f in asked.facts if f.well_taught or f.other and f.rate > 0.5)
    return replace(asked, facts=facts)


def in_sentences(model, model_name: str, name: str, n: int) -> float:
    """The share of right answers when facts of the test half are asked in a sentence."""
    asked, template = taught(name), best_template(model_name, name)
    facts = [f for f in asked.facts if split_of(f) == "test"][:n]
    prompts, answers = [asked.prompt(f, template) for f in facts], [f" {f.answer}" for f in facts]
    return top1_correct(model, prompts, answers).mean().item()
