"""What each attention head looks at, says and causes: the measurements behind the names of heads.

Nothing here decides anything: `measure_heads` gives numbers with units, `head_classes` turns them into names.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.checks import Amount, Model, checked
from helpers.circuits.graph import Graph, head_place
from helpers.components.lens import against_mean, direct_logit_attribution, mean_of_others, type_members
from helpers.models.network import Network, read_network
from helpers.models.run import (
    LayerRun,
    Past,
    final_residual,
    head_writes,
    keys_and_values,
    repeat_past,
    run_layers,
    run_past,
)
from helpers.prompts.pairs import PromptPairs


@checked
def measure_heads(model: Model, pairs: PromptPairs, *, types: Sequence[int] | None = None) -> pd.DataFrame:
    """What each head attends to, writes and causes at the answer position; means over the pairs.

    Columns (the claims about heads of arXiv 2405.17969, section 4, put in numbers):

    - ``head, layer``; ``to_subject, to_relation``: attention probability from the last position to the subject's tokens
      and to the other words, in clean prompts; ``uniform_subject, uniform_relation``: that of uniform attention.
    - ``writes_answer, writes_type``: what the head adds to the logits of the answer and of the other answers of the
      type (mean), against the mean over the vocabulary, by direct logit attribution at the last position with the
      final norm's scale held.
    - ``from_subject_answer, from_subject_type, from_relation_type``: the parts of these that it reads at the subject's
      tokens, and at the other words.
    - ``ov_answer``: ``writes_answer`` if the head attended to the subject's last token only.
    - ``effect, effect_mean``: by how many logits the logit difference falls when all outgoing edges of the head are
      cut, with corrupt and with mean ablation (mean over the corrupt prompts of equal length). Positive: it helps.
    - ``effect_from_subject``: the fall when only what it brings from the subject's tokens to the last position is
      that of the corrupt prompt (its attention there and its values).
    - ``type_rises, answer_falls``: under mean ablation, the rise of the other answers' mean logit and the fall of the
      answer's, against the mean over the vocabulary. The mean of a head that carries answers names all of them a
      little, so part of the rise is put in by the ablation.
    - ``answer_falls_zero, type_falls_zero``: the fall of the answer's and of the other answers' logits when the head
      writes nothing. Corrupt prompts ask for the same type, so only this ablation takes the type away; but no other
      head or MLP has ever seen a run without it.
    - ``model_diff, model_answer, model_type``: the whole model's logit difference, and its answer and type logits
      against the mean over the vocabulary; the same in all rows.

    Args:
        pairs: with known subjects; they may differ in length.
        types: token ids of the answers' type, at least two; all answers and wrong answers of the pairs by default.

    Raises:
        ValueError: if a subject isn't known, or the type has no other answer than a pair's own.
    """
    net, members = read_network(model), _members(pairs, types)
    total: dict[str, Tensor] = {}
    for _, group in pairs.groups():
        for name, values in _measure_group(net, group, members).items():
            total[name] = total.get(name, 0) + values.sum(-1) / len(pairs)
    return head_table(model, total)


def head_table(model, numbers: Mapping[str, Float[Tensor, "layer head"]]) -> pd.DataFrame:
    """A row for each head with its name in ``head``, its ``layer``, and its numbers."""
    heads = Graph.from_model(model).heads
    names = {"head": list(heads), "layer": [head_place(head)[0] for head in heads]}
    return pd.DataFrame(names | {name: values.flatten().tolist() for name, values in numbers.items()})


def _members(pairs: PromptPairs, types: Sequence[int] | None) -> Int[Tensor, " token"]:
    ids = type_members(pairs) if types is None else torch.tensor(list(types)).to(pairs.answer_ids.device).unique()
    if any(not (ids != answer).any() for answer in pairs.answer_ids.unique()):
        raise ValueError(f"the answers' type is {ids.tolist()}: it needs another token than a pair's answer")
    return ids


@torch.no_grad()
def _measure_group(net: Network, pairs: PromptPairs, members: Tensor) -> dict[str, Float[Tensor, "layer head batch"]]:
    """All numbers of pairs of one length."""
    runs, resid = run_layers(net, pairs.clean_tokens)
    looks = _attention(runs, pairs)
    says = _attribution(net, runs, resid[:, -1], pairs, members)
    causes = _effects(net, runs, resid[:, -1], pairs, members)
    return {**looks, **says, **causes}


def _attention(runs: list[LayerRun], pairs: PromptPairs) -> dict[str, Tensor]:
    last, result = torch.stack([run.pattern[:, :, -1] for run in runs]), {}  # [layer batch head key]
    for name in ("subject", "relation"):
        mask = pairs.positions(name).to(last)
        result[f"to_{name}"] = torch.einsum("lbhk,bk->lhb", last, mask)
        result[f"uniform_{name}"] = mask.mean(-1).expand(len(runs), last.shape[2], -1)
    return result


def _part(net: Network, layer: int, run: LayerRun, mask: Tensor) -> Float[Tensor, "head batch d_model"]:
    """What each head writes at the last position out of the values at some positions only."""
    z = torch.einsum("bhk,bk,bkhd->bhd", run.pattern[:, :, -1], mask.to(run.pattern), run.values)
    return head_writes(net.layers[layer], z[:, None])[:, :, 0]


def _attribution(
    net: Network, runs: list[LayerRun], resid: Tensor, pairs: PromptPairs, members: Tensor
) -> dict[str, Tensor]:
    rows = torch.arange(len(pairs), device=resid.device)
    ends = pairs.positions("subject_last").int().argmax(-1).to(resid.device)
    answer, kinds = against_mean(net, pairs.answer_ids), against_mean(net, members)
    directions = torch.cat((answer[:, None], kinds.expand(len(pairs), -1, -1)), 1)
    places = [pairs.positions(name) for name in ("subject", "relation")]
    said = []
    for n, run in enumerate(runs):
        value = head_writes(net.layers[n], run.values[rows, ends][:, None])[:, :, 0]
        parts = run.written[:, :, -1], value, *(_part(net, n, run, place) for place in places)
        said.append(torch.stack([direct_logit_attribution(net, part, resid, directions) for part in parts]))
    said = torch.stack(said, 1)  # [part layer head batch kind]
    answer, kind = said[..., 0], mean_of_others(said[..., 1:], members, pairs.answer_ids)
    return {
        "writes_answer": answer[0],
        "writes_type": kind[0],
        "from_subject_answer": answer[2],
        "from_subject_type": kind[2],
        "from_relation_type": kind[3],
        "ov_answer": answer[1],
    }


def _effects(
    net: Network, runs: list[LayerRun], resid: Tensor, pairs: PromptPairs, members: Tensor
) -> dict[str, Tensor]:
    """What cutting all outgoing edges of each head alone does, as `run_circuit` without these edges.

    Every reader behind the head misses the same difference, so it is taken out of the residual stream at once, for all
    heads of a layer side by side. Only positions that can differ are computed: those behind the common beginning of
    all prompts, whose keys and values are the clean run's (or, where a head writes nothing there either, its own).
    """
    tokens = pairs.clean_tokens
    other, _ = run_layers(net, pairs.corrupt_tokens)
    subject, reader, heads = pairs.positions("subject"), _Reader(net, pairs, members), net.n_heads
    alike = (torch.cat((tokens, pairs.corrupt_tokens))[:, :-1] == tokens[:1, :-1]).all(0)
    start = int(alike.int().cumprod(0).sum())
    begun, before = (run_past(net, part) for part in (tokens[:1, :start], tokens[:, :-1]))
    before, whole, cut = repeat_past(before, heads), reader(resid[None]), []
    for n, (run, corrupt) in enumerate(zip(runs, other, strict=True)):
        without, following = run.after - run.written, 2 * n + 1  # [head batch pos d_model]

        def measured(changed: Tensor, past: Past | None, following: int = following) -> Tensor:
            last = final_residual(net, changed.flatten(0, 1), following, past)
            return reader(last.unflatten(0, (heads, -1)))

        rest, written = without[:, :, start:], corrupt.written[:, :, start:]
        read_there = _part(net, n, corrupt, subject) - _part(net, n, run, subject)
        brought = (run.after[:, -1] + read_there)[:, :, None]
        silent = keys_and_values(net, without[:, 0, :start], following)
        silent = tuple(tuple(t.repeat_interleave(len(tokens), 0) for t in layer) for layer in silent)
        numbers = (
            measured(rest + written, begun),
            measured(rest + written.mean(1, keepdim=True), begun),
            measured(brought, before),
            measured(rest, silent),
        )
        cut.append(torch.stack(numbers))
    corrupt, mean, brought, zero = torch.stack(cut, 2)  # each [number layer head batch]
    (diff, answer, kind), shape = whole, corrupt.shape[1:]
    return {
        "effect": diff - corrupt[0],
        "effect_mean": diff - mean[0],
        "effect_from_subject": diff - brought[0],
        "type_rises": mean[2] - kind,
        "answer_falls": answer - mean[1],
        "answer_falls_zero": answer - zero[1],
        "type_falls_zero": kind - zero[2],
        "model_diff": diff.expand(shape),
        "model_answer": answer.expand(shape),
        "model_type": kind.expand(shape),
    }


class _Reader:
    """Reads a few logits off final residuals, without those of the whole vocabulary."""

    def __init__(self, net: Network, pairs: PromptPairs, members: Tensor) -> None:
        self.net, self.pairs, self.members = net, pairs, members
        ids = torch.cat((pairs.answer_ids, pairs.wrong_ids, members))
        self.directions = against_mean(net, ids)
        self.biases = net.b_U[ids] - net.b_U.mean()

    def __call__(self, resid: Float[Tensor, "head batch d_model"]) -> Float[Tensor, "number head batch"]:
        """The logit difference, and the answer's and the other members' logits against the mean over the vocabulary."""
        logits = self.net.norm(resid) @ self.directions.T + self.biases
        size = len(self.pairs)
        answer, wrong = (logits[..., i * size : (i + 1) * size].diagonal(dim1=1, dim2=2) for i in (0, 1))
        others = mean_of_others(logits[..., 2 * size :], self.members, self.pairs.answer_ids)
        return torch.stack((answer - wrong, answer, others))


@checked
@torch.no_grad()
def ablate_heads(model: Model, pairs: PromptPairs, heads: Sequence[str]) -> Float[Tensor, "batch d_vocab"]:
    """The logits after the clean prompts when some heads write nothing (zero ablation), all at once.

    Args:
        heads: their names, such as ``["a4.h6", "a5.h3"]``; with none, the model's own logits.

    Raises:
        ValueError: for a name that is no head of the model.
    """
    net, places = read_network(model), _places(model, heads)
    logits = torch.empty(len(pairs), net.W_U.shape[1])
    for rows, group in pairs.groups():
        tokens = group.clean_tokens
        nothing = torch.zeros(*tokens.shape, net.W_U.shape[0], device=tokens.device)
        _, resid = run_layers(net, tokens, dict.fromkeys(places, nothing))
        logits[rows] = net.unembed(resid[:, -1]).float().cpu()
    return logits


@checked
def random_heads_like(model: Model, heads: Sequence[str], spared: Sequence[str] = (), seed: Amount = 0) -> list[str]:
    """As many heads of each layer as ``heads`` has there, drawn from the others of the layer that aren't spared.

    Where a layer hasn't so many others, all of them are taken.

    Raises:
        ValueError: for a name that is no head of the model.
    """
    graph, rng, drawn = Graph.from_model(model), random.Random(seed), []
    barred, counts = set(_places(model, [*heads, *spared])), [layer for layer, _ in _places(model, heads)]
    for layer in sorted(set(counts)):
        others = [h for h in graph.heads if head_place(h)[0] == layer and head_place(h) not in barred]
        drawn += rng.sample(others, min(counts.count(layer), len(others)))
    return drawn


def _places(model, heads: Sequence[str]) -> list[tuple[int, int]]:
    known = Graph.from_model(model).heads
    for name in heads:
        if name not in known:
            raise ValueError(f"{name!r} is no head; heads are {known[0]}, ..., {known[-1]}")
    return [head_place(name) for name in heads]
