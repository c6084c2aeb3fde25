"""Causal tracing (arXiv 2202.05262, section 2): where a clean state, put into a corrupt run, brings the answer back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.checks import Count, Model, Positive, Whole, checked
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, prompt_ids, token_span
from helpers.models.run import Past, final_residual, forward, repeat_past, run_past
from helpers.prompts.relations import sentence_case

Part = Literal["resid", "attention", "MLP"]
SAMPLES = 8  # draws of the noise
LEAST = 1e-3


@dataclass(frozen=True)
class Trace:
    """Probabilities of the answer: in the clean run, in the corrupted one, and with one state restored."""

    tokens: tuple[str, ...]
    subject: slice
    clean: float
    corrupt: float
    restored: Float[Tensor, "layer pos"]

    def __repr__(self) -> str:
        shares = f"clean {self.clean:.2f}, corrupt {self.corrupt:.2f}, restored up to {self.restored.max():.2f}"
        return f"Trace({self.restored.shape[0]} layers, {len(self.tokens)} tokens: {shares})"

    @property
    def recovered(self) -> Float[Tensor, "layer pos"]:
        """The share of what the corruption changed that each restored state brings back.

        Raises:
            ValueError: if it changed less than `LEAST` of the clean probability: that is the share of nothing.
        """
        if not abs(self.clean - self.corrupt) > LEAST * self.clean:
            raise ValueError(f"the corruption took nothing (probability {self.clean:.3g} clean, {self.corrupt:.3g} "
                             "corrupt): trace a fact that the model knows, or take more noise")  # fmt: skip
        return (self.restored - self.corrupt) / (self.clean - self.corrupt)


@checked
@torch.no_grad()
def causal_trace(
    model: Model,
    prompt: str,
    subject: str,
    answer: str,
    *,
    part: Part = "resid",
    window: Count = 1,
    other: str | None = None,
    noise: Positive = 3.0,
    seed: Whole = 0,
) -> Trace:
    """Corrupt the subject, then restore one state at a time.

    Args:
        part: what is restored at (layer, position): the residual stream behind the layer, what its attention writes,
            or what its MLP writes.
        window: for attention and MLP: so many layers around the layer are restored together (at the edges fewer).
        other: another subject with as many tokens that takes the subject's place; by default its embeddings get
            normal noise of ``noise`` times their standard deviation, and the mean over `SAMPLES` draws is taken.

    The probability is that of the answer's first token.

    Raises:
        ValueError: for a window for residuals, a subject that isn't in the prompt exactly once as whole tokens,
            another subject that is the same or of another length, or an answer whose first token says nothing.
    """
    if part == "resid" and window != 1:
        raise ValueError(f"a window of {window} layers makes no sense for {part}")
    if not (subject.strip() and answer.strip()) or other == "" or prompt.lower().count(subject.lower()) > 1:
        raise ValueError(f"a trace needs an answer, and a subject that is in {prompt!r} once, not {subject!r}")
    net, tokenizer = read_network(model), model.tokenizer
    ids, span = prompt_ids(tokenizer, prompt), token_span(tokenizer, prompt, subject)
    target = answer_ids(tokenizer, prompt, f" {answer.strip()}")[0]
    if not tokenizer.decode([target]).strip():
        raise ValueError(f"the first token of {answer!r} is a space, which says nothing; put it into the prompt")
    tokens = torch.tensor([ids], device=net.W_E.device)
    embedded = net.embed(tokens)
    corrupted = _corrupted(net, tokenizer, tokens, span, prompt, subject, other, noise, seed)
    start = int((corrupted != embedded).any(-1).any(0).int().argmax())  # before it, both runs are the same
    past = run_past(net, tokens[:, :start])
    clean, corrupt = (states(net, run[:, start:], past) for run in (embedded, corrupted))

    def likely(final: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at"]:
        return net.unembed(final).softmax(-1)[..., target]

    ends = [likely(run["resid"][-1][:, -1]).mean().item() for run in (clean, corrupt)]
    restored = torch.full((len(net.layers), len(ids)), ends[1])
    for n in range(len(net.layers)):
        restored[n, start:] = likely(restore(net, clean, corrupt, n, part, window, past)).mean(-1).cpu()
    return Trace(tuple(tokenizer.decode([i]) for i in ids), span, *ends, restored)


def _corrupted(net: Network, tokenizer, tokens, span: slice, prompt, subject, other, noise, seed) -> Tensor:
    embedded = net.embed(tokens)
    if other is not None:
        start = prompt.lower().find(subject.lower())
        instead = f"{prompt[:start]}{other}{prompt[start + len(subject) :]}"
        ids = prompt_ids(tokenizer, sentence_case(instead) if prompt[0].isupper() else instead)
        if len(ids) != tokens.shape[1] or ids == tokens[0].tolist():
            raise ValueError(
                f"{other!r} has not as many tokens as {subject!r} in {prompt!r}, or the same; take another subject"
            )
        return net.embed(torch.tensor([ids], device=tokens.device))
    deviation = net.W_E[tokens[0, span]].std()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(SAMPLES, span.stop - span.start, embedded.shape[-1], generator=generator)
    result = embedded.repeat(SAMPLES, 1, 1)
    result[:, span] += noise * deviation * drawn.to(result)
    return result


def states(net: Network, resid: Float[Tensor, "row pos d_model"], past: Past | None) -> dict[str, list[Tensor]]:
    """What attention and MLP of each layer write, and the residual stream before each layer and behind the last."""
    kept: dict[str, list[Tensor]] = {"resid": [resid], "attention": [], "MLP": []}
    for step in forward(net, resid, past=past):
        kept["MLP" if step.is_mlp else "attention"].append(step.written)
        if step.is_mlp:
            kept["resid"].append(step.after)
    return kept


def restore(
    net: Network, clean, corrupt, layer: int, part: Part, window: int = 1, past: Past | None = None
) -> Float[Tensor, "pos row d_model"]:
    """The final residual with a clean state at each position in turn (all positions in one batch).

    Args:
        clean, corrupt: `states` of both runs, of as many rows each, or of one clean row for all.
    """
    rows, length, d_model = corrupt["resid"][0].shape
    here = torch.eye(length, dtype=torch.bool, device=clean["resid"][0].device)[:, None, :, None]

    def put(instead: Tensor, value: Tensor) -> Tensor:
        return torch.where(here, instead, value.expand(length, rows, length, d_model)).flatten(0, 1)

    many = past and repeat_past(past, length)
    if part == "resid":
        resid = put(clean["resid"][layer + 1], corrupt["resid"][layer + 1])
        return final_residual(net, resid, 2 * layer + 2, many).unflatten(0, (length, rows))
    first, last = max(0, layer - (window - 1) // 2), min(len(net.layers) - 1, layer + window // 2)
    resid = corrupt["resid"][first].expand(length, rows, length, d_model).flatten(0, 1)
    for step in islice(forward(net, resid, 2 * first, many), 2 * (last + 1 - first)):
        if step.is_mlp == (part == "MLP"):
            step.write(put(clean[part][step.sublayer // 2], step.written.unflatten(0, (length, rows))))
    return final_residual(net, step.after, step.sublayer + 1, many).unflatten(0, (length, rows))
