"""Edits by gradient descent: on one MLP's output weights, freely or on a leash, or on any weights of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from helpers.checks import Amount, Count, Model, Positive, Whole, checked
from helpers.editing.edit import IGNORED, Batch, Edit, contexts, cut_run, make_batch, make_edit
from helpers.editing.requests import EditRequest
from helpers.editing.scores import measured
from helpers.editing.weights import Weights, check_precision, named_weights, output_weights, weights_restored
from helpers.models.network import read_network
from helpers.models.run import resume

ENOUGH = 0.02  # nats of the answer at which a search stops


@checked
def ft_m(
    model: Model,
    request: EditRequest,
    layer: Whole,
    *,
    wordings: Amount = 0,
    steps: Count = 50,
    rate: Positive = 0.02,
) -> Edit:
    """FT-M (as in EasyEdit): Adam on the output weights of one MLP, with the loss of the answer's tokens alone.

    Args:
        wordings: how many of the request's further wordings to learn from.
        rate: the learning rate, as a share of the weights' root mean square.

    Returns:
        The edit; ``about["probability"]`` is the new answer's after the prompt, with the edit in (`measured`).

    Raises:
        ValueError: for a layer that the model doesn't have, too few wordings, or a search that diverged.
    """
    return _tune_layer(model, request, layer, float("inf"), wordings, steps, rate)


@checked
def ft_l(
    model: Model,
    request: EditRequest,
    layer: Whole,
    *,
    bound: Positive = 0.25,
    wordings: Amount = 0,
    steps: Count = 50,
    rate: Positive = 0.02,
) -> Edit:
    """FT-L (arXiv 2202.05262, section 3.4): as `ft_m`, but no weight may change by more than a bound.

    Args:
        bound: the largest change of one weight (the L-infinity norm), as a share of the weights' root mean square:
            the usual 5e-4 is right for GPT-2 and does nothing in a model whose weights are larger.

    Raises:
        ValueError: as `ft_m`.
    """
    return _tune_layer(model, request, layer, bound, wordings, steps, rate)


def _tune_layer(model, request, layer: int, bound: float, wordings: int, steps: int, rate: float) -> Edit:
    check_precision(model)
    ((name, start),) = (places := output_weights(model, layer)).items()
    net = read_network(model)
    part = make_batch(contexts(model.tokenizer, request, wordings=wordings), start.device)
    cut = cut_run(net, part.tokens, layer)
    W = start.clone().requires_grad_()
    unit = float(start.square().mean().sqrt())
    adam, losses = torch.optim.Adam([W], lr=rate * unit), []
    for _ in range(steps):
        loss = answer_loss(cut.logits(cut.neurons @ W + net.layers[layer].b_out, part.keep), part)
        losses.append(loss.item())
        if losses[-1] < ENOUGH:
            break
        (W.grad,) = torch.autograd.grad(loss, W)
        adam.step()
        if bound < float("inf"):
            with torch.no_grad():
                W.copy_(start + (W - start).clamp(-bound * unit, bound * unit))
    return measured(make_edit(places, {name: W}, losses), request)


def answer_loss(logits: Tensor, part: Batch) -> Tensor:
    """The mean loss of the answers' tokens in nats."""
    return cross_entropy(logits.flatten(0, 1), part.answers.flatten(), ignore_index=IGNORED)


@checked
def fine_tune(
    model: Model,
    requests: EditRequest | Sequence[EditRequest],
    *,
    masks: Mapping[str, Tensor] | None = None,
    wordings: Amount = 0,
    steps: Count = 50,
    rate: Positive = 1e-3,
) -> Edit:
    """Plain fine-tuning on the answers of one or several requests: Adam on all weights, or on those of a mask.

    Args:
        masks: by the names of `named_weights`, a tensor of the weight's shape: 0 where it has to stay as it is,
            anything else where it may change. A weight without a mask stays.
        rate: the learning rate, as a share of each weight tensor's root mean square.

    Raises:
        ValueError: for a mask of an unknown name or another shape, no requests, or a search that diverged.
    """
    requests = [requests] if isinstance(requests, EditRequest) else list(requests)
    if not requests:
        raise ValueError("there is nothing to learn: no requests")
    check_precision(model)
    check_masks(masks, weights := named_weights(model))
    places = weights if masks is None else Weights(model, tuple(masks))
    rows = [row for request in requests for row in contexts(model.tokenizer, request, wordings=wordings)]
    part = make_batch(rows, model.W_E.device)
    with weights_restored(places):
        losses = _descend(model, part, places, masks, steps, rate)
        after = {name: place.detach().clone() for name, place in places.items()}
    return make_edit(places, after, losses)


def check_masks(masks: Mapping[str, Tensor] | None, weights: Mapping[str, Tensor]) -> None:
    """Refuse masks that don't fit the weights (`named_weights`).

    Raises:
        ValueError: for no mask at all, an unknown name or another shape.
    """
    if masks is not None and not masks:
        raise ValueError("the mask is empty, so nothing may change; leave masks out to train all weights")
    for name, mask in (masks or {}).items():
        if name not in weights:
            raise ValueError(
                f"no weight {name!r}; the model's begin with {', '.join(list(weights)[:3])} (named_weights)"
            )
        if mask.shape != weights[name].shape or mask.isnan().any():
            shapes = f"{list(mask.shape)}, not {list(weights[name].shape)}"
            raise ValueError(f"the mask of {name} has shape {shapes}, or nan where it should say what may change")


def _descend(model, part: Batch, weights: Weights, masks, steps: int, rate: float) -> list[float]:
    names, losses, places = list(weights), [], dict(weights)
    before = {name: place.detach().clone() for name, place in places.items()}
    for place in places.values():
        place.requires_grad_(True)
    # A bias that is zero everywhere has no size of its own: then the step is a share of 1.
    sizes = {name: float(value.square().mean().sqrt()) or 1.0 for name, value in before.items()}
    adam = torch.optim.Adam([{"params": [places[n]], "lr": rate * sizes[n]} for n in names])
    for _ in range(steps):
        net = read_network(model)
        loss = answer_loss(resume(net, net.embed(part.tokens), keep=part.keep), part)
        losses.append(loss.item())
        if losses[-1] < ENOUGH:
            break
        found = torch.autograd.grad(loss, [places[n] for n in names], allow_unused=True)
        for name, gradient in zip(names, found, strict=True):
            places[name].grad = gradient
        adam.step()
        if masks is not None:
            with torch.no_grad():
                for name in names:
                    mask = masks[name].to(before[name])
                    places[name].copy_(torch.where(mask == 0, before[name], places[name]))
    for place in places.values():
        place.grad = None
    return losses
