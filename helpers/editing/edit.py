"""What editors share: the texts in which they look at a fact, runs from one MLP on, and edits that go in and out.

Every editor returns an `Edit` that isn't in the model yet. ``with edit:`` puts it in for a block; `Edit.apply` and
`Edit.undo` do so for as long as you like. The old weights come back bit by bit, also after an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from helpers.checks import Amount, Count, Model, Whole, checked
from helpers.editing.requests import EditRequest, fill
from helpers.editing.weights import Weights, put_back, put_weights, refuse
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, logits_after, padded, prompt_ids
from helpers.models.run import Past, forward, keys_and_values, resume

At = Literal["subject_last", "last"]
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Edit:
    """New values of some weights of a model.

    ``places`` are the weights as they are in the model at the moment (`Weights`: looked up by name), ``before`` and
    ``after`` their values without and with the edit; ``losses`` is the course of the optimisation, ``about`` what the
    editor found out on its way, ``kinds`` what the weights were when the edit was computed.
    """

    places: Weights
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    losses: tuple[float, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)
    kinds: Mapping[str, tuple] = field(default_factory=dict)

    def check_model(self, model) -> None:
        """Raise ValueError for another model than the one that the edit changes."""
        if model is not self.places.model:
            raise ValueError("the edit was computed for another model, or for an earlier load of it; compute it again")

    @property
    def applied(self) -> bool:
        """Whether the model's weights are the edit's at the moment."""
        return all(self._holds(self.after).values())

    @property
    def size(self) -> float:
        """The Frobenius norm of the change, all weights together."""
        return float(sum((self.after[n] - self.before[n]).double().square().sum() for n in self.places)) ** 0.5

    def _holds(self, values: Mapping[str, Tensor]) -> dict[str, bool]:
        """For each weight, whether it has this value at the moment (rounded to its type, if the model was cast)."""
        return {
            name: place.shape == values[name].shape and torch.equal(place, values[name].to(place))
            for name, place in self.places.items()
        }

    def apply(self) -> Edit:
        """Put the edit into the model.

        Raises:
            ValueError: if the weights aren't those that the edit was computed for: other values, cast, tied or untied.
        """
        if self.places.kinds() != self.kinds or not all(self._holds(self.before).values()):
            raise ValueError(
                "the edit is in the model already"
                if self.applied
                else "the weights have changed since this edit was computed; undo what came later, or compute it again"
            )
        try:
            put_weights(self.places, self.after)
        except BaseException:
            put_back(self.places, self.before)
            raise
        return self

    def undo(self) -> None:
        """Bring the old weights back, bit by bit; if the model was cast meanwhile, they are cast as it was.

        Raises:
            ValueError: if the weights aren't the edit's, because it isn't in or something came after it.
        """
        before, after = self._holds(self.before), self._holds(self.after)
        whole = all(after.values()) or (not all(before.values()) and all(before[n] or after[n] for n in before))
        if not whole or any(now[2:] != self.kinds[n][2:] for n, now in self.places.kinds().items()):
            raise ValueError(
                "the edit isn't in the model, or something came after it (another edit, training, a load or a cast); "
                "undo that one first, or load the model again"
            )
        put_back(self.places, self.before)

    def __enter__(self) -> Edit:
        return self.apply()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Undo the edit, unless the block did. Weights that the block changed stay so, and a ValueError says it.

        After an error of the block the old weights come back if they still fit, and the error's note says it.
        """
        if all(self._holds(self.before).values()):
            return
        try:
            self.undo()
        except ValueError:
            how = "another edit, training, a load or a cast"
            fate = "they stay as they are; put_weights(edit.places, edit.before) brings the old ones back"
            if error is not None and self.places.kinds() == self.kinds:
                put_back(self.places, self.before)
                fate = "the old ones are back"
            refuse(f"the block changed the edited weights once more ({how}): {fate}", error)


@checked
def make_edit(places: Weights, after: Mapping[str, Tensor], losses: Sequence[float] = (), **about) -> Edit:
    """An edit from some weights (`output_weights`, `named_weights`) and their new values; the present ones are kept.

    Raises:
        ValueError: if a new value is missing, of another shape, or not finite: the optimisation has diverged.
    """
    if set(after) != set(places):
        raise ValueError(f"an edit needs a new value for each of its weights, {', '.join(places)}, not {[*after]}")
    for name, place in places.items():
        if after[name].shape != place.shape:
            raise ValueError(f"the new {name} has shape {list(after[name].shape)}, not {list(place.shape)}")
    before = {name: place.detach().clone() for name, place in places.items()}
    kept = {name: after[name].detach().to(before[name], copy=True) for name in places}
    for name, value in kept.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"the new {name} isn't finite: the optimisation diverged; take a smaller learning rate")
    return Edit(places, before, kept, tuple(losses), about, places.kinds())


@dataclass(frozen=True)
class SuffixRun:
    """Rows that were run up to the MLP of one layer; of each, the positions from its ``start`` on."""

    net: Network
    layer: int
    start: Int[Tensor, "row 1"] | int
    past: Past | None
    resid: Float[Tensor, "row pos d_model"]
    neurons: Float[Tensor, "row pos d_mlp"]

    @property
    def written(self) -> Float[Tensor, "row pos d_model"]:
        """What the MLP writes as the model is."""
        layer = self.net.layers[self.layer]
        return self.neurons @ layer.W_out + layer.b_out

    @property
    def keys(self) -> Float[Tensor, "row d_mlp"]:
        """The neurons at the first position."""
        return self.neurons[:, 0]

    def logits(self, written: Float[Tensor, "row pos d_model"], keep: Int[Tensor, "row kept"]) -> Tensor:
        """The logits at positions ``keep`` (of the whole row) if the MLP wrote this instead."""
        return resume(self.net, self.resid + written, 2 * self.layer + 2, self.past, keep - self.start)


@torch.no_grad()
def cut_run(
    net: Network, tokens: Int[Tensor, "row pos"], layer: int, at: Int[Tensor, " row"] | None = None, count: int = 0
) -> SuffixRun:
    """Run rows up to the MLP of ``layer``.

    Args:
        at: keep ``count`` positions of each row from here on, the others as keys and values only; all by default.

    Raises:
        ValueError: for a layer that the model doesn't have.
    """
    net.check_layer(layer)
    step = next(step for step in forward(net, net.embed(tokens)) if step.sublayer == 2 * layer + 1)
    if at is None:
        return SuffixRun(net, layer, 0, None, step.resid, step.neurons)
    window = (at[:, None] + torch.arange(count, device=at.device)).clamp(max=tokens.shape[1] - 1)
    rows, longest = torch.arange(len(at), device=at.device)[:, None], int(at.max())
    later = keys_and_values(net, step.after, 2 * layer + 2)
    past = tuple((kv[0][:, :longest], kv[1][:, :longest], at[:, None]) if kv else () for kv in later)
    return SuffixRun(net, layer, at[:, None], past, step.resid[rows, window], step.neurons[rows, window])


@dataclass(frozen=True)
class Context:
    """One text that asks for the fact: its ids, the position that is edited, and the ids of the answer behind it."""

    ids: tuple[int, ...]
    at: int
    answer: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Contexts as tensors, filled up at the end. ``answers`` has `IGNORED` where a row has no (more) answer."""

    tokens: Int[Tensor, "row pos"]
    at: Int[Tensor, " row"]
    keep: Int[Tensor, "row kept"]
    answers: Int[Tensor, "row kept"]

    def cut(self, net: Network, layer: int) -> SuffixRun:
        """The rows from the edited positions on, run up to the MLP of a layer."""
        count = int((self.keep.max(1).values - self.at).max()) + 1
        return cut_run(net, self.tokens, layer, self.at, count)

    @property
    def asks(self) -> Bool[Tensor, " row"]:
        """The rows that have an answer (the essence has none)."""
        return (self.answers != IGNORED).any(-1)


@checked
def contexts(
    tokenizer, request: EditRequest, prefixes: Sequence[str] = (), wordings: Amount = 0, at: At = "subject_last"
) -> list[Context]:
    """The prompt and the first ``wordings`` other wordings, each alone and behind each prefix.

    Raises:
        ValueError: for more wordings than the request has.
    """
    if wordings > len(request.wordings):
        raise ValueError(f"the request has {len(request.wordings)} more wordings, not {wordings}")
    result = []
    for template in (request.prompt, *request.wordings[:wordings]):
        result += [_context(tokenizer, prefix, template, request, at) for prefix in ("", *prefixes)]
    return result


def essence(tokenizer, request: EditRequest, at: At = "subject_last", template: str = "{} is a") -> Context:
    """A text about the subject that should go on as before; it has no answer."""
    return replace(_context(tokenizer, "", template, request, at), answer=())


def _context(tokenizer, prefix: str, template: str, request: EditRequest, at: At) -> Context:
    before = f"{prefix} " if prefix else ""
    whole = before + fill(template, request.subject)
    ids, answer = prompt_ids(tokenizer, whole), answer_ids(tokenizer, whole, f" {request.new}")
    before += template.partition("{}")[0]
    place = _subject_end(tokenizer, ids, before, request.subject) if at == "subject_last" else len(ids) - 1
    return Context(tuple(ids), place, tuple(answer))


def _subject_end(tokenizer, ids: Sequence[int], before: str, subject: str) -> int:
    """The position of the subject's last token: the subject is what stands after ``before``, not its first match."""
    wanted = len("".join(before.split()))  # spaces are not the same everywhere after decoding
    off = [abs(len("".join(tokenizer.decode(ids[1:start]).split())) - wanted) for start in range(1, len(ids))]
    for start in (n for n, value in enumerate(off, 1) if value == min(off)):
        for stop in range(start + 1, len(ids) + 1):
            if tokenizer.decode(ids[start:stop]).strip().lower() == subject.lower():
                return stop - 1
    raise ValueError(f"{subject!r} isn't a run of whole tokens in {tokenizer.decode(ids)!r}; choose another subject")


def make_batch(rows: Sequence[Context], device=None) -> Batch:
    """Rows of any length as one batch; each is followed by its answer but for the answer's last token."""
    kept = max(1, max(len(row.answer) for row in rows))
    keep = [[min(len(r.ids) - 1 + i, len(r.ids) + max(len(r.answer), 1) - 2) for i in range(kept)] for r in rows]
    answers = [[*row.answer, *[IGNORED] * (kept - len(row.answer))] for row in rows]
    tokens = padded([[*row.ids, *row.answer[:-1]] for row in rows], device)
    at = torch.tensor([row.at for row in rows], device=device)
    return Batch(tokens, at, torch.tensor(keep, device=device), torch.tensor(answers, device=device))


@checked
@torch.no_grad()
def sample_text(model: Model, n: Count, length: Count, seed: Whole = 0) -> list[list[int]]:
    """Texts that the model itself makes up, drawn token by token: ``n`` rows of BOS and ``length`` more ids."""
    if length >= model.cfg.n_ctx:
        raise ValueError(f"the model's context has no room for BOS and {length} tokens, but for {model.cfg.n_ctx}")
    bos, net = model.tokenizer.bos_token_id, read_network(model)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((n, 1), bos)
    for _ in range(length):
        logits = logits_after(net, tokens.tolist())[:, 0].cpu()
        logits[:, bos] = -torch.inf
        tokens = torch.cat((tokens, torch.multinomial(logits.softmax(-1), 1, generator=generator)), 1)
    return tokens.tolist()


def sample_prefixes(model: Model, n: Count = 10, length: Count = 10, seed: Whole = 0) -> list[str]:
    """Beginnings that the model itself makes up (`sample_text`), each with a full stop."""
    return [model.tokenizer.decode(row[1:]).strip().rstrip(".") + "." for row in sample_text(model, n, length, seed)]
