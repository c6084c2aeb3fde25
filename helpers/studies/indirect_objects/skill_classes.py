"""Heads in indirect objects: what each does there, and the names that follow (arXiv 2211.00593)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.skills import indirect_object_pairs
from helpers.checks import Model, checked
from helpers.circuits.ablation import scenes
from helpers.circuits.graph import head_place
from helpers.circuits.metrics import logit_diff
from helpers.components.head_classes import Thresholds, counts, first_fitting
from helpers.components.heads import head_table
from helpers.components.lens import against_mean, direct_logit_attribution
from helpers.components.skill_heads import measure_repeats
from helpers.models.network import read_network
from helpers.models.predict import logits_after
from helpers.models.run import Replaced, forward, head_writes, qkv, repeat_past, run_layers
from helpers.prompts.pairs import PromptPairs

SKILLS = (
    "previous token",
    "duplicate token",
    "induction",
    "S-inhibition",
    "name mover",
    "negative name mover",
    "backup name mover",
)


def name_positions(pairs: PromptPairs, tokenizer) -> tuple[PromptPairs, Int[Tensor, "batch 3"]]:
    """The pairs whose names can be found, and where: indirect object, first and second mention of the subject.

    Raises:
        ValueError: if there are none.
    """
    kept, places = [], []
    for row, ids in enumerate(pairs.clean_ids):
        io, s = (_mentions(ids, int(name[row]), tokenizer) for name in (pairs.answer_ids, pairs.wrong_ids))
        if len(io) == 1 and len(s) == 2:
            kept.append(row), places.append((*io, *s))
    if not kept:
        raise ValueError("in no pair does the answer stand once and the wrong answer twice; are they indirect objects?")
    return pairs.select(kept), torch.tensor(places)


def _mentions(ids: Sequence[int], name: int, tokenizer) -> list[int]:
    """Where a name stands; at the start of a text some tokenizers give it another id, without the space."""
    bare = tokenizer.encode(tokenizer.decode([name]).strip(), add_special_tokens=False)
    same = {name, *bare} if len(bare) == 1 else {name}
    return [place for place, i in enumerate(ids) if i in same]


@checked
@torch.no_grad()
def measure_indirect(model: Model, pairs: PromptPairs) -> pd.DataFrame:
    """How each head behaves in indirect objects: "When Mary and John went ..., John gave a drink to" -> " Mary".

    Args:
        pairs: answer the indirect object, wrong answer the subject (arXiv 2211.00593). Those in whose prompts the
            names aren't single tokens where they should be are left out.

    Returns:
        A row for each head, and the columns:

        - ``head, layer``;
        - ``to_io, to_s1, to_s2``: attention from the last position to the indirect object and to both subject
          mentions; ``uniform_io``: what uniform attention would give each;
        - ``s2_to_s1``: attention from the second subject mention to the first; ``uniform_s2``: what is uniform there;
        - ``writes_io``: direct logit attribution, indirect object minus subject, in logits;
        - ``effect_via_queries``: the fall of the logit difference when the head's edges into the queries of later
          heads are cut with corrupt ablation, in logits; ``model_diff``: the whole model's logit difference.

    Raises:
        ValueError: if no pair has names that can be found.
    """
    net, (pairs, places) = read_network(model), name_positions(pairs, model.tokenizer)
    total: dict[str, Tensor] = {}
    for chosen, group in pairs.groups():
        runs, _ = run_layers(net, group.clean_tokens)
        pattern = torch.stack([run.pattern for run in runs])  # [layer batch head pos key]
        rows, (io, s1, s2) = torch.arange(len(group)), places[chosen].T
        numbers = {f"to_{name}": pattern[:, rows, :, -1, at] for name, at in (("io", io), ("s1", s1), ("s2", s2))}
        numbers["s2_to_s1"] = pattern[:, rows, :, s2, s1]  # the indexed axes come first: [batch layer head]
        numbers["uniform_io"] = torch.full_like(numbers["to_io"], 1 / group.clean_tokens.shape[1])
        numbers["uniform_s2"] = (1 / (s2 + 1.0)).to(pattern)[:, None, None].expand_as(numbers["to_io"])
        for name, values in numbers.items():
            total[name] = total.get(name, 0) + values.sum(0) / len(pairs)
    whole = logit_diff(logits_after(net, pairs.clean_ids)[:, 0], pairs).mean()
    via = effect_via_queries(model, pairs)
    writes = {"writes_io": name_attribution(model, pairs), "effect_via_queries": via}
    return head_table(model, total | writes | {"model_diff": whole.expand(via.shape)})


@checked
@torch.no_grad()
def name_attribution(model: Model, pairs: PromptPairs, cut: Sequence[str] = ()) -> Float[Tensor, "layer head"]:
    """What each head adds to the answer's logit minus the wrong answer's: direct logit attribution, in logits.

    Args:
        cut: heads that write their mean over the corrupt prompts instead, such as the name movers.
    """
    net, total = read_network(model), 0.0
    places = [head_place(name) for name in cut]
    for _, group in pairs.groups():
        replaced: Replaced = {}
        if places:
            other, _ = run_layers(net, group.corrupt_tokens)
            replaced = {(n, h): other[n].written[h].mean(0, keepdim=True) for n, h in places}
        runs, resid = run_layers(net, group.clean_tokens, replaced)
        direction = (against_mean(net, group.answer_ids) - against_mean(net, group.wrong_ids))[:, None]
        said = [direct_logit_attribution(net, run.written[:, :, -1], resid[:, -1], direction)[..., 0] for run in runs]
        total = total + torch.stack(said).sum(-1) / len(pairs)
    return total


@checked
@torch.no_grad()
def effect_via_queries(model: Model, pairs: PromptPairs) -> Float[Tensor, "layer head"]:
    """By how much the logit difference falls when a head is cut from the queries of all later heads, in logits.

    The heads of a layer go through the later layers side by side; each misses in the queries there what it writes more
    than in the corrupt run.
    """
    total = 0.0
    for _, scene in scenes(model, pairs, "corrupt", clean=True):
        net, heads = scene.net, scene.net.n_heads
        whole = scene.measure_residual(logit_diff, scene.clean[1][:, -1])
        difference, past, falls = scene.clean[0] - scene.ablated, repeat_past(scene.past, heads), []
        for step in forward(net, scene.embed, past=scene.past):
            if step.is_mlp:
                continue
            missed = head_writes(step.layer, difference.heads[step.sublayer // 2]).flatten(0, 1)
            later = forward(net, step.after.repeat(heads, 1, 1), step.sublayer + 1, past)
            for each in later:
                if not each.is_mlp:
                    queries, *_ = qkv(each.layer, each.layer.norm1(each.resid - missed))
                    each.qkv = (queries, *each.qkv[1:])
            falls.append((whole - scene.measure_residual(logit_diff, each.after[:, -1])).sum(-1))
        total = total + torch.stack(falls)
    return total / len(pairs)


@checked
def classify_skill_heads(
    model: Model,
    thresholds: Thresholds = Thresholds(),  # noqa: B008  (frozen)
    *,
    pairs: PromptPairs | None = None,
    **options,
) -> pd.DataFrame:
    """All measurements of `measure_repeats` and `measure_indirect`, each head's ``class``, and ``fits``: all that fit.

    ``class`` is the first that fits, in this order (attention beyond uniform: see `Thresholds`):

    - ``"previous token"``: attends to the token before.
    - ``"duplicate token"``: attends to the earlier occurrence of its token, in random tokens.
    - ``"induction"``: attends to the token after that earlier occurrence (arXiv 2209.11895).
    - ``"S-inhibition"``: attends from the end to the second subject mention, and helps through later queries.
    - ``"name mover"``: attends from the end to the indirect object, more than to the subject, and writes it.
    - ``"negative name mover"``: attends the same way, and writes against it.
    - ``"backup name mover"``: doesn't write the indirect object, but writes so much more of it when all name movers
      are cut (mean ablation); ``writes_io_cut`` is what it then writes, in the unit of ``writes_io``.
    - ``"none"``: none of these.

    The last five are those of arXiv 2211.00593.

    Args:
        pairs: indirect-object pairs; by default as many are drawn as there are random prompts.
        options: of `measure_repeats`.

    Raises:
        ValueError: as `measure_repeats` and `measure_indirect` do.
    """
    count, seed = options.get("count", 16), options.get("seed", 0)
    found, _ = name_positions(pairs or indirect_object_pairs(model, count, seed), model.tokenizer)
    frame = measure_repeats(model, **options).merge(measure_indirect(model, found), on=["head", "layer"])
    fits = skill_rules(frame, thresholds)
    movers = frame["head"][fits["name mover"]].tolist()
    frame["writes_io_cut"] = name_attribution(model, found, movers).flatten().tolist()
    rise = frame.writes_io_cut - frame.writes_io
    before, risen = (counts(value, frame.model_diff, thresholds.writes_times) for value in (frame.writes_io, rise))
    fits["backup name mover"] = ~before & risen & bool(movers)
    frame["class"] = first_fitting(fits)
    frame["fits"] = [", ".join(name for name in SKILLS if row[name]) for _, row in fits.iterrows()]
    return frame


def skill_rules(frame: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Which of the classes that need no second run each head fits: a boolean column for each of `SKILLS` but one."""
    t = thresholds
    prefers_io = frame.to_io >= t.name_times * frame[["to_s1", "to_s2"]].max(axis=1)
    to_io = prefers_io & (_beyond(frame.to_io, frame.uniform_io) >= t.name_pattern)
    to_s2 = _beyond(frame.to_s2, frame.uniform_io) >= t.name_pattern
    fits = {
        "previous token": _beyond(frame.previous, frame.uniform_previous) >= t.pattern,
        "duplicate token": _beyond(frame.duplicate, frame.uniform) >= t.pattern,
        "induction": _beyond(frame.induction, frame.uniform) >= t.pattern,
        "S-inhibition": to_s2 & counts(frame.effect_via_queries, frame.model_diff, t.effect_times),
        "name mover": to_io & counts(frame.writes_io, frame.model_diff, t.writes_times),
        "negative name mover": to_io & counts(-frame.writes_io, frame.model_diff, t.writes_times),
    }
    return pd.DataFrame(fits)


def _beyond(attention: pd.Series, uniform: pd.Series) -> pd.Series:
    """Attention on a scale where 0 is uniform attention and 1 all of it."""
    return (attention - uniform) / (1 - uniform)
