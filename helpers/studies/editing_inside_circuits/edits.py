"""The same request with its changes confined to some weights: how fast it is learned, how far it goes, what breaks.

Two things make places comparable. Every place gets the learning rate with which a step has the same length (`STEP`),
however many weights may move. And what an edit breaks is judged where it has gone equally far: on the straight way
from the old weights to the edited ones, at the point where the answer has the same probability (`at_loss`), or after
the same length (`scaled`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch

from helpers.editing.edit import Edit, contexts, make_batch, make_edit
from helpers.editing.fine_tuning import answer_loss, fine_tune
from helpers.editing.requests import EditRequest
from helpers.editing.scores import evaluate_edit
from helpers.editing.weights import put_weights, weights_restored
from helpers.models.network import read_network
from helpers.models.run import resume
from helpers.prompts.facts import split_of
from helpers.prompts.relations import Fact
from helpers.studies.editing_inside_circuits.masks import ParameterMask, drawn_from, maskable, random_mask

STEP = 2e-4  # the length of a first step, as a share of the norm of all weights
STEPS = 60
HALF = math.log(2)  # nats at which the answer has half of the probability
SAID = 0.1  # nats at which edits are compared: the answer has nine tenths
HALVINGS = 6  # until that point is found


def mask_places(circuit: ParameterMask, seed: int = 0) -> dict[str, ParameterMask]:
    """The masks that an edit is confined to, by name.

    ``rest, same profile`` has as many weights of each tensor as the circuit, drawn from outside it (fewer where the
    circuit has more than half of a tensor); ``random, same profile`` is drawn from everywhere; ``rest`` is the whole
    complement; ``all`` leaves every weight of the masks free.
    """
    return {
        "circuit": circuit,
        "rest, same profile": drawn_from(~circuit, circuit.counts, seed),
        "random, same profile": random_mask(circuit, seed + 1),
        "rest": ~circuit,
        "all": circuit.whole,
    }


def mask_norm(model, mask: ParameterMask) -> float:
    """The norm of a mask's weights, if each were as large as its tensor's root mean square."""
    weights, counts = maskable(model), mask.counts
    return sum(counts[name] * float(weights[name].square().mean()) for name in counts) ** 0.5


def confined_edit(model, request: EditRequest, mask: ParameterMask, step: float = STEP, steps: int = STEPS) -> Edit:
    """Fine-tune on the prompt and its other wordings; only the mask's weights may change.

    Args:
        step: the length of the first step, as a share of the norm of all weights that a mask may take.

    Raises:
        ValueError: for an empty mask.
    """
    if not mask.size:
        raise ValueError("the mask is empty, so nothing may change")
    kept = {name: part for name, part in mask.kept.items() if part.any()}
    rate = step * mask_norm(model, mask.whole) / mask_norm(model, mask)
    return fine_tune(model, request, masks=kept, wordings=len(request.wordings), steps=steps, rate=rate)


def steps_to_learn(losses: Sequence[float], enough: float = HALF) -> float:
    """The steps until the loss is below ``enough``, between two steps by their losses.

    The losses of an edit are those before each step, so the first counts for 0 steps. One step more than were made if
    the answer never gets so far.
    """
    for step, loss in enumerate(losses):
        if loss < enough:
            before = losses[max(step - 1, 0)]
            return step - (enough - loss) / (before - loss) if step else 0.0
    return len(losses) + 1.0


def scaled(edit: Edit, factor: float) -> Edit:
    """The edit in the same direction, ``factor`` times as long."""
    after = {name: torch.lerp(before, edit.after[name], factor) for name, before in edit.before.items()}
    return make_edit(edit.places, after, edit.losses)


def at_loss(model, edit: Edit, request: EditRequest, loss: float = SAID) -> Edit:
    """The edit, shortened on its straight way to where the answer's loss in its wordings is ``loss``.

    An edit that doesn't get so far comes back as it is.
    """
    part = make_batch(contexts(model.tokenizer, request, wordings=len(request.wordings)), model.W_E.device)

    with weights_restored(edit.places), torch.no_grad():
        live = dict(edit.places)

        def loss_at(factor: float) -> float:
            put_weights(live, {n: torch.lerp(b, edit.after[n], factor) for n, b in edit.before.items()})
            net = read_network(model)
            return float(answer_loss(resume(net, net.embed(part.tokens), keep=part.keep), part))

        short, long = 0.0, 1.0
        if loss_at(long) > loss:
            return edit
        for _ in range(HALVINGS):
            middle = (short + long) / 2
            short, long = (short, middle) if loss_at(middle) <= loss else (middle, long)
    return scaled(edit, long)


def confined_rows(
    model, requests: Sequence[EditRequest], places: Mapping[str, ParameterMask], unrelated: Sequence[str], **options
) -> Iterator[tuple[pd.DataFrame, dict[str, tuple[float, ...]]]]:
    """Every request edited in every place, judged at equal loss and at equal length.

    The equal length is the geometric mean of what the places need to get to the equal loss; places whose name begins
    with ``mask`` are judged at equal loss only.

    Args:
        options: of `confined_edit`.

    Yields:
        For each request the rows of each place: ``subject, half`` (of the relation; circuits are found on ``train``),
        ``place, size, steps`` (`steps_to_learn`), ``at`` (``equal loss`` or ``equal length``), ``length`` (as a share
        of the norm of all weights), ``efficacy``, ``held_out`` (paraphrases in wordings that training held out) and
        ``neighbourhood``, each the share of questions whose right answer comes first; ``drift`` in nats per token.
        And the losses by place.
    """
    norm = mask_norm(model, next(iter(places.values())).whole)
    for request in requests:
        half = split_of(Fact(request.relation, request.subject, request.old))
        found = {place: confined_edit(model, request, mask, **options) for place, mask in places.items()}
        said = {place: at_loss(model, edit, request) for place, edit in found.items()}
        sizes = [edit.size for place, edit in said.items() if not place.startswith("mask")]
        length = math.exp(sum(map(math.log, sizes)) / len(sizes))
        rows = []
        for place, edit in said.items():
            row = dict(subject=request.subject, half=half, place=place, size=places[place].size)
            row["steps"] = steps_to_learn(edit.losses)
            states = {"equal loss": edit}
            if not place.startswith("mask"):
                states["equal length"] = scaled(edit, length / edit.size)
            for at, judged in states.items():
                scores = _scores(model, judged, request, unrelated)
                rows.append(row | {"at": at, "length": judged.size / norm} | scores)
        yield pd.DataFrame(rows), {place: edit.losses for place, edit in found.items()}


def _scores(model, edit: Edit, request: EditRequest, unrelated: Sequence[str]) -> dict[str, float]:
    table = evaluate_edit(model, edit, request, unrelated=unrelated, fluency=False)
    table = table[table.measure.isin(["top1", "nats"])]
    scores = table.groupby("score").value.mean().reindex(["efficacy", "neighbourhood", "drift"]).to_dict()
    return scores | {"held_out": table[table.kind == "held out"].value.mean()}
