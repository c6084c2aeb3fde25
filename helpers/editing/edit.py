"""What editors share: the texts in which they look at a fact, runs from one MLP on, and edits that go in and out.

Every editor returns an `Edit` that isn't in the model yet. ``with edit:`` puts it in for a block; `Edit.apply` and
`Edit.undo` do so for as long as you like. The old weights come back bit by bit, also after an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.editing.requests import EditRequest, fill
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, padded, prompt_ids, token_span
from helpers.models.run import Past, forward, resume, run_past

At = Literal["subject_last", "last"]
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Edit:
    """New values of some weights of a model.

    ``places`` are the model's own tensors (or views of them), ``before`` and ``after`` their values without and with
    the edit; ``losses`` is the course of the optimisation, ``about`` what the editor found out on its way.
    """

    places: Mapping[str, Tensor]
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    losses: tuple[float, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def applied(self) -> bool:
        """Whether the model's weights are the edit's at the moment."""
        return _equal(self.places, self.after)

    @property
    def size(self) -> float:
        """The Frobenius norm of the change, all weights together."""
        return float(sum((self.after[n] - self.before[n]).double().square().sum() for n in self.places)) ** 0.5

    def apply(self) -> Edit:
        """Put the edit into the model.

        Raises:
            ValueError: if the weights aren't those that the edit was computed for.
        """
        if not _equal(self.places, self.before):
            raise ValueError(
                "the edit is in the model already"
                if self.applied
                else "the weights have changed since this edit was computed; undo what came later, or compute it again"
            )
        put_weights(self.places, self.after)
        return self

    def undo(self) -> None:
        """Bring the old weights back, bit by bit.

        Raises:
            ValueError: if the weights aren't the edit's, because it isn't in or another one came after it.
        """
        if not self.applied:
            raise ValueError("the edit isn't in the model, or a later one lies above it; undo that one first")
        put_weights(self.places, self.before)

    def __enter__(self) -> Edit:
        return self.apply()

    def __exit__(self, *error: object) -> None:
        put_weights(self.places, self.before)  # whatever the block did to these weights


def _equal(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(places[name], values[name]) for name in places)


@torch.no_grad()
def put_weights(places: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Give a model's own tensors new values, by their names."""
    for name, place in places.items():
        place.copy_(values[name])


@contextmanager
def weights_restored(places: Mapping[str, Tensor]) -> Iterator[None]:
    """Whatever the block does to these weights, they come back bit by bit, also after an error or an interrupt.

    Args:
        places: the model's own tensors, such as `named_weights` gives; whether they want gradients comes back, too.
    """
    before = {name: place.detach().clone() for name, place in places.items()}
    learnt = {name: place.requires_grad for name, place in places.items()}
    try:
        yield
    finally:
        put_weights(places, before)
        for name, place in places.items():
            place.requires_grad_(learnt[name])


def output_weights(model, layer: int) -> dict[str, Float[Tensor, "d_mlp d_model"]]:
    """The output weights of one MLP under their name: a view into the model, whatever layout it keeps them in.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net = read_network(model)
    net.check_layer(layer)
    return {f"layers.{layer}.mlp.W_out": net.layers[layer].W_out.detach()}


def make_edit(places: Mapping[str, Tensor], after: Mapping[str, Tensor], losses: Sequence[float] = (), **about) -> Edit:
    """An edit from the places of some weights and their new values; the present ones are kept.

    Raises:
        ValueError: if a new value isn't finite: the optimisation has diverged.
    """
    for name, value in after.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"the new {name} isn't finite: the optimisation diverged; take a smaller learning rate")
    before = {name: place.detach().clone() for name, place in places.items()}
    kept = {name: value.detach().clone() for name, value in after.items()}
    return Edit(dict(places), before, kept, tuple(losses), about)


@dataclass(frozen=True)
class SuffixRun:
    """Rows that were run up to the MLP of one layer, from position ``start`` on."""

    net: Network
    layer: int
    start: int
    past: Past | None
    resid: Float[Tensor, "row pos d_model"]
    neurons: Float[Tensor, "row pos d_mlp"]

    @property
    def written(self) -> Float[Tensor, "row pos d_model"]:
        """What the MLP writes as the model is."""
        layer = self.net.layers[self.layer]
        return self.neurons @ layer.W_out + layer.b_out

    def logits(self, written: Float[Tensor, "row pos d_model"], keep: Int[Tensor, "row kept"]) -> Tensor:
        """The logits at positions ``keep`` (of the whole row) if the MLP wrote this instead."""
        return resume(self.net, self.resid + written, 2 * self.layer + 2, self.past, keep - self.start)


@torch.no_grad()
def cut_run(net: Network, tokens: Int[Tensor, "row pos"], layer: int, start: int = 0) -> SuffixRun:
    """Run rows up to the MLP of ``layer``; positions before ``start`` are kept as keys and values only.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net.check_layer(layer)
    past, resid = run_past(net, tokens[:, :start]), net.embed(tokens, start)
    step = next(step for step in forward(net, resid, past=past) if step.sublayer == 2 * layer + 1)
    return SuffixRun(net, layer, start, past, step.resid, step.neurons)


@dataclass(frozen=True)
class Context:
    """One text that asks for the fact: its ids, the position that is edited, and the ids of the answer behind it."""

    ids: tuple[int, ...]
    at: int
    answer: tuple[int, ...]
    prefixed: bool


@dataclass(frozen=True)
class Batch:
    """Contexts as tensors, filled up at the end. ``answers`` has `IGNORED` where a row has no (more) answer."""

    tokens: Int[Tensor, "row pos"]
    at: Int[Tensor, " row"]
    keep: Int[Tensor, "row kept"]
    answers: Int[Tensor, "row kept"]

    def cut(self, net: Network, layer: int) -> SuffixRun:
        """The rows, run up to the MLP of a layer."""
        return cut_run(net, self.tokens, layer, int(self.at.min()))

    def keys(self, cut: SuffixRun) -> Float[Tensor, "row d_mlp"]:
        """The neurons at the edited positions."""
        return cut.neurons[torch.arange(len(self.at)), self.at - cut.start]


def contexts(
    tokenizer, request: EditRequest, prefixes: Sequence[str] = (), wordings: int = 0, at: At = "subject_last"
) -> list[Context]:
    """The prompt and the first ``wordings`` other wordings, each alone and behind each prefix.

    Raises:
        ValueError: for an unknown position, or more wordings than the request has.
    """
    if at not in get_args(At):
        raise ValueError(f"unknown position {at!r}; choose from {', '.join(get_args(At))}")
    if not 0 <= wordings <= len(request.wordings):
        raise ValueError(f"the request has {len(request.wordings)} more wordings, not {wordings}")
    result = []
    for template in (request.prompt, *request.wordings[:wordings]):
        text = fill(template, request.subject)
        result += [_context(tokenizer, prefix, text, request, at) for prefix in ("", *prefixes)]
    return result


def essence(tokenizer, request: EditRequest, at: At = "subject_last", template: str = "{} is a") -> Context:
    """A text about the subject that should go on as before; it has no answer."""
    text = fill(template, request.subject)
    ids = prompt_ids(tokenizer, text)
    end = token_span(tokenizer, text, request.subject).stop - 1
    return Context(tuple(ids), end if at == "subject_last" else len(ids) - 1, (), False)


def _context(tokenizer, prefix: str, text: str, request: EditRequest, at: At) -> Context:
    alone = prompt_ids(tokenizer, text)
    whole = f"{prefix} {text}" if prefix else text
    ids = prompt_ids(tokenizer, whole) if prefix else alone
    answer = answer_ids(tokenizer, whole, f" {request.new}")
    if at == "last":
        place = len(ids) - 1
    elif ids[1 - len(alone) :] == alone[1:]:  # the same tokens behind the prefix: count from the end
        place = len(ids) - len(alone) + token_span(tokenizer, text, request.subject).stop - 1
    else:
        place = _last_span(tokenizer, ids, request.subject)
    return Context(tuple(ids), place, tuple(answer), bool(prefix))


def _last_span(tokenizer, ids: Sequence[int], subject: str) -> int:
    for start in reversed(range(1, len(ids))):
        for stop in range(start + 1, len(ids) + 1):
            if tokenizer.decode(ids[start:stop]).strip().lower() == subject.lower():
                return stop - 1
    raise ValueError(f"{subject!r} isn't a run of whole tokens in {tokenizer.decode(ids)!r}")


def batches(rows: Sequence[Context], device=None) -> list[Batch]:
    """The rows in at most two batches, without and with a prefix, whose edited positions are near each other."""
    parts = [[row for row in rows if row.prefixed == wanted] for wanted in (False, True)]
    return [make_batch(part, device) for part in parts if part]


def make_batch(rows: Sequence[Context], device=None) -> Batch:
    """Rows of any length as one batch; each is followed by its answer but for the answer's last token."""
    kept = max(1, max(len(row.answer) for row in rows))
    keep = [[min(len(r.ids) - 1 + i, len(r.ids) + max(len(r.answer), 1) - 2) for i in range(kept)] for r in rows]
    answers = [[*row.answer, *[IGNORED] * (kept - len(row.answer))] for row in rows]
    tokens = padded([[*row.ids, *row.answer[:-1]] for row in rows], device)
    at = torch.tensor([row.at for row in rows], device=device)
    return Batch(tokens, at, torch.tensor(keep, device=device), torch.tensor(answers, device=device))


@torch.no_grad()
def sample_text(model, n: int, length: int, seed: int = 0) -> list[list[int]]:
    """Texts that the model itself makes up, drawn token by token: ``n`` rows of BOS and ``length`` more ids."""
    bos, device = model.tokenizer.bos_token_id, model.W_E.device
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((n, 1), bos)
    for _ in range(length):
        logits = model(tokens.to(device))[:, -1].float().cpu()
        logits[:, bos] = -torch.inf
        tokens = torch.cat((tokens, torch.multinomial(logits.softmax(-1), 1, generator=generator)), 1)
    return tokens.tolist()


def sample_prefixes(model, n: int = 10, length: int = 10, seed: int = 0) -> list[str]:
    """Beginnings that the model itself makes up (`sample_text`), each with a full stop."""
    return [model.tokenizer.decode(row[1:]).strip().rstrip(".") + "." for row in sample_text(model, n, length, seed)]
