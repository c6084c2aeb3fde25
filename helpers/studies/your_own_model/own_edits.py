"""Where does an edit belong in a model that we didn't make? ROME at many layers, at two places of the prompt.

``make tables NAME=own_edits`` edits facts that SmolLM2 knows and writes the table ``own_edits``: a row for each edit
and score, with the columns of `edit_places.judged_at`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import get_args

import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checks import Count, Whole, checked
from helpers.editing.edit import At
from helpers.editing.requests import EditRequest, Question
from helpers.editing.rome import key_covariance, statements
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import Fact, Relation, relation
from helpers.studies.edit_places import judged_at
from helpers.studies.tables import Load, Write, write_parts

MODEL = "smollm2"
RELATIONS = ("country_capital", "country_language", "person_occupation")
ASKED, EDITS = 60, 2  # facts that are asked, and edits made, in each relation
LAYERS = (3, 6, 12, 18, 24, 27)
TEXTS = 300  # statements, for the key covariance
NEIGHBOURS = 4


@checked
def own_requests(asked: Relation, facts: Sequence[Fact], n: Count, seed: Whole = 0) -> list[EditRequest]:
    """Requests to edit facts of a relation of one's own; no model is asked.

    The relation's first template is the prompt, its others judge as paraphrases. Neighbours are other subjects in the
    prompt's words, whose answer is neither the old one nor the new.

    Args:
        facts: what may be edited, and asked as a neighbour: facts that the model knows in the first template.

    Raises:
        ValueError: for fewer facts than requests, or facts that all have one answer.
    """
    answers = sorted({fact.answer for fact in facts})
    if len(facts) < n or len(answers) < 2:
        raise ValueError(f"{n} edits need as many facts with two answers at least, not {len(facts)} facts")
    rng = random.Random(seed)
    requests = []
    for fact in rng.sample(list(facts), n):
        new = rng.choice([answer for answer in answers if answer != fact.answer])
        others = [other for other in facts if other.answer not in (new, fact.answer)]
        others = rng.sample(others, min(NEIGHBOURS, len(others)))
        words = range(1, len(asked.templates))
        request = EditRequest(
            subject=fact.subject,
            prompt=asked.templates[0],
            old=fact.answer,
            new=new,
            paraphrases=tuple(Question(asked.prompt(fact, p), new, fact.answer, "held out") for p in words),
            neighbours=tuple(Question(asked.prompt(other), other.answer, new, "same relation") for other in others),
            relation=asked.name,
        )
        requests.append(request)
    return requests


def sweep_requests(model, name: str) -> list[EditRequest]:
    """The requests of one relation in the sweep: of `ASKED` facts, `EDITS` that the model knows."""
    asked = relation(name)
    some = random.Random(0).sample(list(asked.facts), min(ASKED, len(asked.facts)))
    return own_requests(asked, known_facts(model, asked, some, 0), EDITS)


def sweep_covariance(model, layer: int) -> Tensor:
    """The key covariance ``[d_mlp d_mlp]`` of a layer over `TEXTS` statements of real facts."""
    return key_covariance(model, layer, statements(model, most=TEXTS))


def sweep_rows(model, layers: Sequence[int]) -> Iterator[pd.DataFrame]:
    """All edits of the sweep, one part for each layer."""
    requests = [request for name in RELATIONS for request in sweep_requests(model, name)]
    for layer in tqdm(layers, desc="layers"):
        covariance = sweep_covariance(model, layer)
        yield pd.concat(
            [judged_at(model, request, layer, place, covariance) for place in get_args(At) for request in requests],
            ignore_index=True,
        )


def write_tables(load: Load, write: Write) -> None:
    """Edit SmolLM2 at every layer and place of the sweep."""
    write_parts(write, "own_edits", sweep_rows(load(MODEL), LAYERS))
