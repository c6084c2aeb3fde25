"""Causal tracing (arXiv 2202.05262, section 2): where a clean state, put into a corrupt run, brings the answer back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.ablation import attention_out, qkv
from helpers.edit_runs import mlp_out, run_above
from helpers.network import Network, read_network
from helpers.predict import answer_ids, prompt_ids, token_span

Part = Literal["resid", "attention", "MLP"]
SAMPLES = 8  # draws of the noise


@dataclass(frozen=True)
class Trace:
    """Probabilities of the answer: in the clean run, in the corrupted one, and with one state restored."""

    tokens: tuple[str, ...]
    subject: slice
    clean: float
    corrupt: float
    restored: Float[Tensor, "layer pos"]

    @property
    def recovered(self) -> Float[Tensor, "layer pos"]:
        """The share of what the corruption took that each restored state brings back."""
        return (self.restored - self.corrupt) / (self.clean - self.corrupt)


@torch.no_grad()
def causal_trace(
    model,
    prompt: str,
    subject: str,
    answer: str,
    *,
    part: Part = "resid",
    window: int = 1,
    other: str | None = None,
    noise: float = 3.0,
    seed: int = 0,
) -> Trace:
    """Corrupt the subject, then restore one state at a time.

    Args:
        part: what is restored at (layer, position): the residual stream behind the layer, what its attention writes,
            or what its MLP writes.
        window: for attention and MLP: so many layers around the layer are restored together (at the edges fewer).
        other: another subject with as many tokens that takes the subject's place; by default its embeddings get
            normal noise of ``noise`` times their standard deviation, and the mean over `SAMPLES` draws is taken.

    Raises:
        ValueError: for an unknown part, a window for residuals, or another subject of another length.
    """
    if part not in get_args(Part):
        raise ValueError(f"unknown part {part!r}; choose from {', '.join(get_args(Part))}")
    if window < 1 or (part == "resid" and window != 1):
        raise ValueError(f"a window of {window} layers makes no sense for {part}")
    net, tokenizer = read_network(model), model.tokenizer
    ids, span = prompt_ids(tokenizer, prompt), token_span(tokenizer, prompt, subject)
    target = answer_ids(tokenizer, prompt, f" {answer.strip()}")[0]
    tokens = torch.tensor([ids], device=net.W_E.device)
    clean = _states(net, net.embed(tokens))
    corrupt = _states(net, _corrupted(net, tokenizer, tokens, span, prompt, subject, other, noise, seed))
    restored = torch.stack([_restore(net, clean, corrupt, n, part, window, target) for n in range(len(net.layers))])
    last = torch.tensor([[len(ids) - 1]], device=tokens.device)
    ends = [_probability(net, run["resid"][-1], last, target).mean().item() for run in (clean, corrupt)]
    return Trace(tuple(tokenizer.decode([i]) for i in ids), span, *ends, restored.cpu())


def _corrupted(net: Network, tokenizer, tokens, span: slice, prompt, subject, other, noise, seed) -> Tensor:
    embedded = net.embed(tokens)
    if other is not None:
        start = prompt.lower().find(subject.lower())
        ids = prompt_ids(tokenizer, f"{prompt[:start]}{other}{prompt[start + len(subject) :]}")
        if len(ids) != tokens.shape[1]:
            raise ValueError(
                f"{other!r} has not as many tokens as {subject!r} in {prompt!r}; take another subject of equal length"
            )
        return net.embed(torch.tensor([ids], device=tokens.device))
    deviation = net.W_E[tokens[0, span]].std()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(SAMPLES, span.stop - span.start, embedded.shape[-1], generator=generator)
    result = embedded.repeat(SAMPLES, 1, 1)
    result[:, span] += noise * deviation * drawn.to(result)
    return result


def _states(net: Network, resid: Tensor) -> dict[str, list[Tensor]]:
    """What attention and MLP of each layer write, and the residual stream before each layer and behind the last."""
    states: dict[str, list[Tensor]] = {"resid": [resid], "attention": [], "MLP": []}
    for layer in net.layers:
        states["attention"].append(attention_out(layer, net.attend(*qkv(layer, layer.norm1(resid)))))
        resid = resid + states["attention"][-1]
        states["MLP"].append(mlp_out(layer, resid))
        resid = resid + states["MLP"][-1]
        states["resid"].append(resid)
    return states


def _restore(net: Network, clean, corrupt, layer: int, part: str, window: int, target: int) -> Float[Tensor, " pos"]:
    """The answer's probability with a clean state at each position in turn (all positions in one batch)."""
    samples, length, d_model = corrupt["resid"][0].shape
    here = torch.eye(length, dtype=torch.bool, device=clean["resid"][0].device)[:, None, :, None]

    def put(value: Tensor, instead: Tensor) -> Tensor:
        value = value.expand(length, samples, length, d_model) if value.dim() == 3 else value
        return torch.where(here, instead, value)

    if part == "resid":
        first = last = layer
        resid = put(corrupt["resid"][layer + 1], clean["resid"][layer + 1]).flatten(0, 1)
    else:
        first = max(0, layer - (window - 1) // 2)
        last = min(len(net.layers) - 1, layer + window // 2)
        resid = corrupt["resid"][first].expand(length, samples, length, d_model).flatten(0, 1)
        for n in range(first, last + 1):
            own = net.layers[n]
            written = attention_out(own, net.attend(*qkv(own, own.norm1(resid))))
            resid = resid + _replace(written, clean["attention"][n], put, part == "attention", length)
            resid = resid + _replace(mlp_out(own, resid), clean["MLP"][n], put, part == "MLP", length)
    keep = torch.full((len(resid), 1), length - 1, device=resid.device)
    probability = run_above(net, resid, last, keep)[:, 0].softmax(-1)[:, target]
    return probability.view(length, samples).mean(-1)


def _replace(written: Tensor, instead: Tensor, put, wanted: bool, length: int) -> Tensor:
    return put(written.unflatten(0, (length, -1)), instead).flatten(0, 1) if wanted else written


def _probability(net: Network, resid: Tensor, last: Tensor, target: int) -> Tensor:
    keep = last.expand(len(resid), 1)
    return run_above(net, resid, len(net.layers) - 1, keep)[:, 0].softmax(-1)[:, target]
