"""Edits inside a circuit, outside it, and in random weights: the same request confined to different masks.

How fast an edit learns depends on how many weights may move, so there are two rules for the learning rate: ``equal``
for all masks, or ``matched``, divided by the share of weights that may move (then a random tenth of the weights learns
as fast as all of them). A third, ``paced``, multiplies the matched rate by a number for each place, so that all places
learn equally fast and differ in what they break only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import pandas as pd

from helpers.editing.edit import Edit
from helpers.editing.fine_tuning import fine_tune
from helpers.editing.requests import EditRequest
from helpers.editing.scores import evaluate_edit
from helpers.prompts.facts import split_of
from helpers.prompts.relations import Fact
from helpers.studies.editing_inside_circuits.masks import ParameterMask, drawn_from, random_mask

Rule = Literal["matched", "equal"]
RATES = {"matched": 1e-3, "equal": 3e-3}  # shares of the weights' root mean square
STEPS = 30
HALF = math.log(2)  # nats at which the answer has half of the probability


def edit_places(circuit: ParameterMask, seed: int = 0) -> dict[str, ParameterMask]:
    """The masks that an edit is confined to, by name.

    ``rest, same profile`` has as many weights of each tensor as the circuit, drawn from outside it (fewer where the
    circuit has more than half of a tensor); ``random, same profile`` is drawn from everywhere; ``random, same size``
    doesn't look at tensors; ``rest`` is the whole complement; ``all`` leaves every weight of the masks free.
    """
    return {
        "circuit": circuit,
        "rest, same profile": drawn_from(~circuit, circuit.counts, seed),
        "random, same profile": random_mask(circuit, seed + 1),
        "random, same size": random_mask(circuit, seed + 2, profile=False),
        "rest": ~circuit,
        "all": circuit.whole,
    }


def confined_edit(
    model, request: EditRequest, mask: ParameterMask, rule: Rule = "matched", *, pace: float = 1.0
) -> Edit:
    """Fine-tune on the prompt and its other wordings; only the mask's weights may change.

    Args:
        pace: what the rule's learning rate is multiplied by.

    Raises:
        ValueError: for an unknown rule, or an empty mask.
    """
    if rule not in get_args(Rule):
        raise ValueError(f"unknown rule {rule!r}; choose from {', '.join(get_args(Rule))}")
    if not mask.size:
        raise ValueError("the mask is empty, so nothing may change")
    rate = pace * RATES[rule] / (mask.share if rule == "matched" else 1)
    return fine_tune(model, request, masks=mask.kept, wordings=len(request.wordings), steps=STEPS, rate=rate)


def steps_to_learn(losses: Sequence[float]) -> float:
    """The steps until the answer has half of the probability, between two steps by their losses.

    The losses of an edit are those before each step, so the first counts for 0 steps. One step more than were made if
    the answer never gets so far.
    """
    for step, loss in enumerate(losses):
        if loss < HALF:
            before = losses[max(step - 1, 0)]
            return step - (HALF - loss) / (before - loss) if step else 0.0
    return len(losses) + 1.0


def confined_rows(
    model,
    requests: Sequence[EditRequest],
    places: dict[str, ParameterMask],
    unrelated: Sequence[str],
    rule: Rule = "matched",
    paces: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Every request edited in every place.

    Args:
        paces: for each place what its matched learning rate is multiplied by; the rule is then called ``paced``, and
            ``rule`` must be ``matched``.

    Returns:
        A row for each edit: ``edit, half`` (of the relation that the fact belongs to; circuits are found on
        ``train``), ``place, size, rule, steps`` (`steps_to_learn`), ``change`` (Frobenius norm); ``efficacy, held_out``
        (paraphrases in wordings that training held out) and ``neighbourhood``, each the share of questions whose right
        answer comes first; ``drift`` in nats per token.

    Raises:
        ValueError: if paces lack a place, or stand beside another rule than ``matched``; else as `confined_edit`.
    """
    if paces and (rule != "matched" or not set(places) <= set(paces)):
        raise ValueError(f"paces need the rule 'matched', not {rule!r}, and a number for each of {', '.join(places)}")
    rows, named = [], "paced" if paces else rule
    for number, request in enumerate(requests):
        half = split_of(Fact(request.relation, request.subject, request.old))
        for place, mask in places.items():
            edit = confined_edit(model, request, mask, rule, pace=paces[place] if paces else 1.0)
            table = evaluate_edit(model, edit, request, unrelated=unrelated, fluency=False)
            table = table[table.measure.isin(["top1", "nats"])]
            scores = table.groupby("score").value.mean().reindex(["efficacy", "neighbourhood", "drift"])
            row = {"edit": number, "half": half, "place": place, "size": mask.size, "rule": named}
            row |= {"steps": steps_to_learn(edit.losses), "change": edit.size, "efficacy": scores.efficacy}
            row |= {"held_out": table[table.kind == "held out"].value.mean(), **scores.drop("efficacy")}
            rows.append(row)
    return pd.DataFrame(rows)
