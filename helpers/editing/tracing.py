"""Causal tracing (arXiv 2202.05262, section 2): where a clean state, put into a corrupt run, brings the answer back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.editing.requests import known_facts
from helpers.models.network import Network, read_network
from helpers.models.predict import answer_ids, first_token, prompt_ids, token_span
from helpers.models.run import forward, resume
from helpers.prompts.relations import Fact, relation, sentence_case, stable_hash, taught_paraphrases
from helpers.statistics import bootstrap

Part = Literal["resid", "attention", "MLP"]
Corruption = Literal["noise", "same type"]
ROLES = ("before", "subject first", "subject middle", "subject last", "behind", "last")
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

    @property
    def roles(self) -> list[str]:
        """What each position is (`ROLES`): a subject of one token has only a last one, the words behind end before the
        prompt's last token.
        """
        start, stop, end = self.subject.start, self.subject.stop - 1, len(self.tokens) - 1
        inside = {start: "subject first"} | {n: "subject middle" for n in range(start + 1, stop)}
        named = inside | {stop: "subject last", end: "last"}
        return [named.get(n, "before" if n < start else "behind") for n in range(end + 1)]


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
    ends = [_probability(net, run["resid"][-1], 2 * len(net.layers), target).mean().item() for run in (clean, corrupt)]
    return Trace(tuple(tokenizer.decode([i]) for i in ids), span, *ends, restored.cpu())


def _corrupted(net: Network, tokenizer, tokens, span: slice, prompt, subject, other, noise, seed) -> Tensor:
    embedded = net.embed(tokens)
    if other is not None:
        start = prompt.lower().find(subject.lower())
        instead = f"{prompt[:start]}{other}{prompt[start + len(subject) :]}"
        ids = prompt_ids(tokenizer, sentence_case(instead) if prompt[0].isupper() else instead)
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
    for step in forward(net, resid):
        states["MLP" if step.is_mlp else "attention"].append(step.written)
        if step.is_mlp:
            states["resid"].append(step.after)
    return states


def _restore(net: Network, clean, corrupt, layer: int, part: str, window: int, target: int) -> Float[Tensor, " pos"]:
    """The answer's probability with a clean state at each position in turn (all positions in one batch)."""
    samples, length, d_model = corrupt["resid"][0].shape
    here = torch.eye(length, dtype=torch.bool, device=clean["resid"][0].device)[:, None, :, None]

    def put(instead: Tensor, value: Tensor) -> Tensor:
        return torch.where(here, instead, value.expand(length, samples, length, d_model)).flatten(0, 1)

    if part == "resid":
        resid = put(clean["resid"][layer + 1], corrupt["resid"][layer + 1])
        return _probability(net, resid, 2 * layer + 2, target).view(length, samples).mean(-1)
    first, last = max(0, layer - (window - 1) // 2), min(len(net.layers) - 1, layer + window // 2)
    resid = corrupt["resid"][first].expand(length, samples, length, d_model).flatten(0, 1)
    for step in islice(forward(net, resid, 2 * first), 2 * (last + 1 - first)):
        if step.is_mlp == (part == "MLP"):
            step.write(put(clean[part][step.sublayer // 2], step.written.unflatten(0, (length, samples))))
    return _probability(net, step.after, step.sublayer + 1, target).view(length, samples).mean(-1)


def _probability(net: Network, resid: Tensor, sublayer: int, target: int) -> Float[Tensor, " row"]:
    return resume(net, resid, sublayer).softmax(-1)[:, target]


@dataclass(frozen=True)
class Traced:
    """A prompt to trace, and another subject of the same relation and length, with another answer."""

    prompt: str
    fact: Fact
    other: str


def traced_prompts(model, name: str, n: int, seed: int = 0) -> list[Traced]:
    """``n`` facts of a relation that the model knows, each in a wording of its training drawn at random.

    Only prompts that go on behind the subject are taken: otherwise its last token and the prompt's are the same.

    Raises:
        ValueError: if there are too few; the message says how many.
    """
    asked, found = relation(name), []
    rng = random.Random(stable_hash("traces", seed, name))
    facts = [fact for fact in known_facts(model, asked) if fact.other is None]
    for fact in rng.sample(facts, len(facts)):
        wording = rng.choice(taught_paraphrases(asked, fact))
        prompt = asked.prompt(fact, wording)
        length, answer = len(prompt_ids(model.tokenizer, prompt)), first_token(model, prompt, fact.answer)
        behind = token_span(model.tokenizer, prompt, fact.subject).stop < length
        if not behind or not known_facts(model, asked, [fact], wording):
            continue
        for other in rng.sample(facts, len(facts)):
            fits = len(prompt_ids(model.tokenizer, asked.prompt(other, wording))) == length
            if fits and first_token(model, prompt, other.answer) != answer:
                found.append(Traced(prompt, fact, other.subject))
                break
        if len(found) == n:
            return found
    raise ValueError(f"{name} has {len(found)} facts to trace, not {n}; ask for fewer")


def trace_table(
    model,
    prompts: Sequence[Traced],
    *,
    corruption: Corruption = "noise",
    part: Part = "resid",
) -> pd.DataFrame:
    """Trace many prompts, and average each one's positions by their role.

    Args:
        corruption: ``"noise"`` on the subject's embeddings, or another subject of the ``"same type"``.

    Returns:
        A row for each prompt, layer and role: ``relation, prompt, layer, role, clean, corrupt, restored``.

    Raises:
        ValueError: for an unknown corruption, or as `causal_trace`.
    """
    if corruption not in get_args(Corruption):
        raise ValueError(f"unknown corruption {corruption!r}; choose from {', '.join(get_args(Corruption))}")
    rows = []
    for number, one in enumerate(prompts):
        fact, other = one.fact, one.other if corruption == "same type" else None
        trace = causal_trace(model, one.prompt, fact.subject, fact.answer, part=part, other=other, seed=number)
        roles = trace.roles
        for role in dict.fromkeys(roles):
            mean = trace.restored[:, [r == role for r in roles]].mean(1)
            rows += [
                (fact.relation, number, n, role, trace.clean, trace.corrupt, v) for n, v in enumerate(mean.tolist())
            ]
    return pd.DataFrame(rows, columns=["relation", "prompt", "layer", "role", "clean", "corrupt", "restored"])


def trace_summary(table: pd.DataFrame, by: Sequence[str] = ("layer", "role")) -> pd.DataFrame:
    """The recovered share: what is brought back over what was lost, both summed over prompts.

    Returns:
        Columns of ``by``, then ``value, low, high`` (95 % bootstrap over prompts) and ``prompts``.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        back, lost = (torch.tensor((part[c] - part.corrupt).to_numpy()) for c in ("restored", "clean"))
        share = bootstrap(lambda b, l: b.mean(-1) / l.mean(-1), back, lost)  # noqa: E741
        rows.append((*key, float(share), share.low, share.high, len(part)))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "prompts"])
