"""By which ways an edit reaches the answer: where its new weights work, which heads carry it, when it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.circuits.graph import head_place
from helpers.components.lens import lens_logits
from helpers.editing.edit import Edit
from helpers.models.network import Network, read_network
from helpers.models.predict import first_token
from helpers.models.run import LayerRun, forward, head_writes, residuals, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.studies.edited_circuits.cases import Case, case_pairs

PLACES = {"subject_last": "the subject's last token", "last": "the prompt's last token"}
ELSEWHERE = "other tokens"


def _gap(logits: Float[Tensor, "*row d_vocab"], ids: Sequence[int]) -> Float[Tensor, "*row"]:
    """The logit difference between two tokens."""
    return logits[..., ids[0]] - logits[..., ids[1]]


def new_and_old(model, case: Case) -> tuple[int, int]:
    """The first tokens of a case's new and old answers."""
    return tuple(first_token(model, case.request.text, answer) for answer in (case.request.new, case.request.old))


@torch.no_grad()
def read_by_layer(model, case: Case) -> pd.DataFrame:
    """How the new answer stands at two places of the prompt, by the logit lens, in the model as it is now.

    Returns:
        Columns ``place, layer`` (-1 is the embedding), ``rank`` (1 is the likeliest), ``lead`` (the new answer's logit
        minus the old one's).
    """
    prompt = case_pairs(model, case).select([0])
    net, ids = read_network(model), new_and_old(model, case)
    stops, rows = residuals(net, prompt.clean_tokens)[::2, 0], []
    for place in PLACES:
        logits = lens_logits(net, stops[:, prompt.positions(place)[0]][:, 0])
        own = logits[:, ids[:1]]
        columns = dict(
            rank=((logits > own).sum(-1) + 1).tolist(),
            lead=_gap(logits, ids).tolist(),
        )
        rows.append(pd.DataFrame(dict(place=place, layer=range(-1, len(stops) - 1)) | columns))
    return pd.concat(rows, ignore_index=True)


@torch.no_grad()
def works_at(model, edit: Edit, layer: int, tokens: Int[Tensor, "1 pos"], at: Bool[Tensor, " pos"]) -> Tensor:
    """The logits at the end when an MLP has its edited output weights at some positions and its old ones elsewhere.

    The model must be unedited.
    """
    net, (W,) = read_network(model), edit.after.values()
    for step in forward(net, net.embed(tokens)):
        if step.sublayer == 2 * layer + 1:
            step.write(torch.where(at[None, :, None], step.neurons @ W, step.written))
    return net.unembed(step.after[:, -1])[0]


def effect_by_place(model, edit: Edit, layer: int, case: Case) -> dict[str, float]:
    """Which share of an edit's effect (on the new answer's logit against the old one's) it has at each place alone."""
    prompt, ids = case_pairs(model, case).select([0]), new_and_old(model, case)
    masks = {name: prompt.positions(place)[0] for place, name in PLACES.items()}
    masks[ELSEWHERE] = ~torch.stack(list(masks.values())).any(0)
    everywhere = torch.ones_like(masks[ELSEWHERE])
    masks |= {"none": ~everywhere, "all": everywhere}
    gaps = {name: _gap(works_at(model, edit, layer, prompt.clean_tokens, at), ids) for name, at in masks.items()}
    whole = gaps["all"] - gaps["none"]
    return {name: float((gaps[name] - gaps["none"]) / whole) for name in (*PLACES.values(), ELSEWHERE)}


@torch.no_grad()
def without_each(
    net: Network, tokens: Int[Tensor, "1 pos"], source: Sequence[LayerRun], sets: Mapping[str, Sequence[str]]
) -> Float[Tensor, "set d_vocab"]:
    """The logits at the end when some heads write what they wrote in another run: each set of heads alone.

    Args:
        source: the other run, of as many tokens (`run_layers`).
    """
    places = [{head_place(head) for head in some} for some in sets.values()]
    for step in forward(net, net.embed(tokens.expand(len(places), -1))):
        if not step.is_mlp:
            layer, change = step.sublayer // 2, torch.zeros_like(step.resid)
            written = head_writes(step.layer, step.z)
            for row, some in enumerate(places):
                for head in (h for n, h in some if n == layer):
                    change[row] += source[layer].written[head, 0] - written[head, row]
            step.after = step.after + change
    return net.unembed(step.after[:, -1])


def carried(model, edit: Edit, case: Case, sets: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The share of an edit's effect that is lost when heads write what they write in the unedited model."""
    tokens, ids = case_pairs(model, case).select([0]).clean_tokens, new_and_old(model, case)
    plain, resid = run_layers(read_network(model), tokens)
    before = _gap(read_network(model).unembed(resid[0, -1]), ids)
    with edit:
        net = read_network(model)
        logits = without_each(net, tokens, plain, {"": (), **sets})
    after, *without = _gap(logits, ids).tolist()
    return {name: (after - gap) / (after - float(before)) for name, gap in zip(sets, without, strict=True)}


def needed(model, pairs: PromptPairs, sets: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The share of the logit difference between two subjects that is lost when heads write what the other one brings.

    What `carried` is for an edit, this is for a fact that nobody has edited: a ratio of sums over the pairs.
    """
    lost, whole = torch.zeros(len(sets)), 0.0
    net = read_network(model)
    for row in range(len(pairs)):
        pair = pairs.select([row])
        ids = pair.answer_ids.item(), pair.wrong_ids.item()
        corrupt, resid = run_layers(net, pair.corrupt_tokens)
        clean, *without = _gap(without_each(net, pair.clean_tokens, corrupt, {"": (), **sets}), ids)
        lost += clean - torch.stack(without)
        whole += clean - _gap(net.unembed(resid[0, -1]), ids)
    return dict(zip(sets, (lost / whole).tolist(), strict=True))
