"""Whom an edit changes besides its own subject, and how near their keys are to the edited one.

An edit of an MLP's output weights adds something to what the MLP writes at every position of every prompt. How much
depends on the neurons there, the *key*: at the edited key it is all of it, elsewhere hopefully nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.sample import corpus_covariance
from helpers.editing.edit import At, Edit, contexts, cut_run, make_batch
from helpers.editing.requests import EditRequest
from helpers.models.network import read_network
from helpers.models.predict import first_token, likeliest_ids, padded, prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation
from helpers.studies.edited_circuits.edited_circuits import other_facts

ASKED = 60  # other subjects that are asked about


def edit_keys(model, requests: Sequence[EditRequest], layer: int, at: At) -> Float[Tensor, "request d_mlp"]:
    """The neurons of an MLP at the place that an editor looks at, for each request's own prompt alone."""
    rows = [contexts(model.tokenizer, request, (), 0, at)[0] for request in requests]
    net = read_network(model)
    part = make_batch(rows, net.W_E.device)
    with torch.no_grad():
        return part.keys(part.cut(net, layer))


def key_overlap(
    change: Float[Tensor, "d_mlp d_model"], own: Float[Tensor, " d_mlp"], keys: Float[Tensor, "key d_mlp"]
) -> Float[Tensor, " key"]:
    """How much of what an edit writes at its own key it also writes at other keys: 1 all of it, 0 nothing.

    The part of ``key @ change`` along ``own @ change``, as a share of its length.
    """
    value = own @ change
    return keys @ change @ value / (value @ value)


def key_similarity(
    moment: Float[Tensor, "d_mlp d_mlp"], own: Float[Tensor, " d_mlp"], keys: Float[Tensor, "key d_mlp"]
) -> Float[Tensor, " key"]:
    """``k^T C^-1 k* / k*^T C^-1 k*``: with one key the same as `key_overlap` (arXiv 2202.05262, equation 2)."""
    solved = _solve(moment, own.double())
    return (keys.double() @ solved / (own.double() @ solved)).to(keys.dtype)


def _solve(moment: Tensor, right: Tensor) -> Tensor:
    moment = moment.double()
    floor = 1e-6 * moment.diagonal().mean()  # as in `least_change`
    return torch.linalg.solve(moment + floor * torch.eye(len(moment), device=moment.device, dtype=moment.dtype), right)


@torch.no_grad()
def mean_key_similarity(model, requests: Sequence[EditRequest], layer: int, wordings: int = 0) -> dict[str, float]:
    """How much of ROME's new value other prompts get on average: the mean of `key_similarity` over requests.

    The edits are those at the prompt's last token.

    Args:
        wordings: how many of the requests' further wordings an edit looks at; its key is the mean over them.

    Returns:
        The shares of ``paraphrases`` and of ``neighbours``, each request counted once.

    Raises:
        ValueError: if there is no request, or one has no paraphrases or neighbours.
    """
    if not requests or not all(r.paraphrases and r.neighbours for r in requests):
        raise ValueError("give requests that all have paraphrases and neighbours, as `edit_requests` makes them")
    net, tokenizer = read_network(model), model.tokenizer
    parts = [make_batch(contexts(tokenizer, r, (), wordings, "last"), net.W_E.device) for r in requests]
    own = torch.stack([part.keys(part.cut(net, layer)).mean(0) for part in parts]).double()
    solved = _solve(corpus_covariance(model, layer), own.T).T
    scale, found = (own * solved).sum(-1), {}
    for kind in ("paraphrases", "neighbours"):
        asked = [(i, q.prompt) for i, r in enumerate(requests) for q in getattr(r, kind)]
        ends = _last_keys(model, [prompt for _, prompt in asked], layer).double()
        numbers = torch.tensor([i for i, _ in asked])
        shares = (ends * solved[numbers]).sum(-1) / scale[numbers]
        found[kind] = sum(shares[numbers == i].mean().item() for i in range(len(own))) / len(own)
    return found


@torch.no_grad()
def fired_behind(model, edit: Edit, request: EditRequest, prompts: Sequence[str], layer: int) -> list[float]:
    """`key_overlap` at the last token of other prompts, for an edit at the last token of the request's own prompt.

    Args:
        model: unedited.
        layer: whose MLP the edit changes.

    Raises:
        ValueError: if the edit changes anything but that MLP's output weights.
    """
    name = f"layers.{layer}.mlp.W_out"
    if list(edit.before) != [name]:
        raise ValueError(f"the edit changes {', '.join(edit.before)}, not {name} alone")
    before = edit.before[name]
    own, *keys = _last_keys(model, [request.text, *prompts], layer)
    return key_overlap(edit.after[name] - before, own, torch.stack(keys)).tolist()


def _last_keys(model, prompts: Sequence[str], layer: int) -> Float[Tensor, "prompt d_mlp"]:
    net, ids = read_network(model), [prompt_ids(model.tokenizer, prompt) for prompt in prompts]
    neurons = cut_run(net, padded(ids, net.W_E.device), layer).neurons
    return neurons[range(len(ids)), [len(row) - 1 for row in ids]]


def bleedover_pairs(model, edit: Edit, request: EditRequest, n: int = 12) -> PromptPairs:
    """Pairs of the edited model about other subjects: one that now gets the new answer beside one that kept its own.

    The prompt is the request's. The answer is the new one, the wrong answer is what the corrupt prompt still gives;
    ``reference`` holds the edited model's logits, so use them with the edit in the model.

    Args:
        model: unedited.

    Raises:
        ValueError: if there is no such pair of equal length: the edit changes nobody else, or everybody.
    """
    asked = relation(request.relation)
    template = asked.templates.index(request.prompt)
    facts = other_facts(model, request, ASKED, paraphrase=template)
    prompts = [asked.prompt(f, template) for f in facts]
    lengths = [len(prompt_ids(model.tokenizer, prompt)) for prompt in prompts]
    own = [first_token(model, p, f.answer) for p, f in zip(prompts, facts, strict=True)]
    new = first_token(model, request.text, request.new)
    with edit:
        said = likeliest_ids(model, prompts).tolist()
        stayed = [i for i, token in enumerate(said) if token == own[i]]
        chosen = []
        for i in (i for i, token in enumerate(said) if token == new):
            fits = [j for j in stayed if lengths[j] == lengths[i]]
            chosen += [(i, fits[len(chosen) % len(fits)])] if fits else []
        if not chosen:
            raise ValueError(f"of {len(facts)} other subjects, none that changed has a like one that stayed")
        clean, corrupt = zip(*chosen[:n], strict=True)
        return PromptPairs.from_prompts(
            model,
            [prompts[i] for i in clean],
            [prompts[j] for j in corrupt],
            [f" {request.new}"] * len(clean),
            [f" {facts[j].answer}" for j in corrupt],
            subjects=[facts[i].subject for i in clean],
            first_token=True,
        )
