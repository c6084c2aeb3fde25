"""The circuits of all relations that a model knows: found on one half of the facts, as the tables compare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tqdm.auto import tqdm

from helpers.circuits.scores import Scores
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, relation
from helpers.searches.attribution import eap_ig
from helpers.studies.asked_relations import REAL_MODEL, asked_templates

PAIRS, JUDGED = 20, 10  # circuits are found on so many pairs of a half, and judged on so many of the other one
MODELS = (REAL_MODEL, "atlas2")
# Edges at which circuits are compared: as in the table ``smollm2_circuits``, and in Atlas about as large a share of its
# edges as the book's circuits have. What other sizes change is in the table ``shared_sizes``.
SIZE = {REAL_MODEL: 400, "atlas2": 100}
SIZES = {REAL_MODEL: (), "atlas2": (25, 400)}


@dataclass(frozen=True)
class Asked:
    """A relation as a model is asked it: the template, pairs of both halves, and of another template."""

    name: str
    template: int
    train: PromptPairs
    test: PromptPairs
    reworded: PromptPairs | None

    @property
    def held_out(self) -> PromptPairs:
        """The pairs that circuits are judged on."""
        return self.test.select(range(JUDGED))


def asked(model, name: str, template: int) -> Asked:
    """Pairs of a relation, also from the first other template that the model answers often enough.

    Raises:
        TooFewPairs: if the model knows too little of one half.
    """
    train, test = (relation_pairs(model, name, PAIRS, split=s, paraphrase=template) for s in ("train", "test"))
    return Asked(name, template, train, test, reworded(model, relation(name), template))


def reworded(model, asked: Relation, template: int) -> PromptPairs | None:
    """Train pairs in another template; none if the model answers too few in all of them.

    At the beginning of a sentence a subject's capital letter may change its tokens: such templates are left out.
    """
    for other, text in enumerate(asked.templates):
        if other != template and not text.startswith("{}"):
            try:
                return relation_pairs(model, asked, PAIRS, paraphrase=other)
            except TooFewPairs:
                continue
    return None


def all_asked(model, name: str) -> Iterator[Asked]:
    """The relations of which a model knows enough in both halves."""
    for relation_name, template in tqdm(asked_templates(name).items(), desc=name):
        try:
            yield asked(model, relation_name, template)
        except TooFewPairs:
            continue


def found(model, pairs: PromptPairs) -> Scores:
    """EAP-IG's scores, as everywhere in the book."""
    return eap_ig(model, pairs)
