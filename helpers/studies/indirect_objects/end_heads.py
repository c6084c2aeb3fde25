"""What heads do with names: where they look from the prompt's end, what they write there, and whether they copy."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.skills import skill_words
from helpers.circuits.graph import Graph, head_place
from helpers.components.heads import head_table
from helpers.components.lens import against_mean, direct_logit_attribution
from helpers.models.network import read_network
from helpers.models.run import residuals, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.studies.indirect_objects.skill_classes import name_positions

TOP = 5  # a name counts as copied if so few tokens at most are raised more, itself included (arXiv 2211.00593)


def class_members(table: pd.DataFrame, kind: str) -> list[str]:
    """The heads of a table of `named_heads` that fit a class, whatever else they fit."""
    return [head for head, fits in zip(table["head"], table.fits, strict=True) if kind in fits.split(", ")]


@torch.no_grad()
def at_the_end(model, pairs: PromptPairs) -> pd.DataFrame:
    """Each head at the last position of the clean prompts, means over the pairs whose names can be found.

    Columns ``to_io, to_s2``: attention to the indirect object and to the subject's second mention; ``writes``: direct
    logit attribution, indirect object minus subject, in logits.
    """
    net, (pairs, places) = read_network(model), name_positions(pairs, model.tokenizer)
    total: dict[str, Tensor] = {}
    for chosen, group in pairs.groups():
        runs, resid = run_layers(net, group.clean_tokens)
        last = torch.stack([run.pattern[:, :, -1] for run in runs], 1)  # [batch layer head key]
        io, _, s2 = (at[:, None, None, None].expand(*last.shape[:3], 1) for at in places[chosen].T)
        direction = (against_mean(net, group.answer_ids) - against_mean(net, group.wrong_ids))[:, None]
        said = [direct_logit_attribution(net, run.written[:, :, -1], resid[:, -1], direction)[..., 0] for run in runs]
        numbers = {f"to_{name}": last.gather(-1, at)[..., 0].sum(0) for name, at in (("io", io), ("s2", s2))}
        for name, values in (numbers | {"writes": torch.stack(said).sum(-1)}).items():
            total[name] = total.get(name, 0) + values / len(pairs)
    return head_table(model, total)


def name_ids(model) -> list[int]:
    """The names that are one token after a space."""
    ids = [model.tokenizer.encode(f" {name}", add_special_tokens=False) for name in skill_words()["names"]]
    return [first for first, *rest in ids if not rest]


@torch.no_grad()
def copy_scores(model, heads: Sequence[str] | None = None) -> pd.DataFrame:
    """For how many names a head's output circuit raises, or lowers, that name's own logit most (arXiv 2211.00593).

    Of some heads, or of all.

    Each name's residual stream after layer 0 goes through the head's value and output matrices and the unembedding.
    Columns ``copies, against``: the share of names that are then among the `TOP` highest, or lowest, of all tokens.
    """
    net, ids = read_network(model), torch.tensor(name_ids(model))
    stream, together = residuals(net, ids[:, None])[2][:, 0], net.n_heads // len(net.layers[0].W_V)
    rows = []
    for name in heads or Graph.from_model(model).heads:
        number, head = head_place(name)
        layer = net.layers[number]
        written = layer.norm1(stream) @ layer.W_V[head // together] @ layer.W_O[head]
        rows.append((name, *_ranks(net, written, ids).tolist()))
    return pd.DataFrame(rows, columns=["head", "copies", "against"])


def _ranks(net, written: Float[Tensor, "name d_model"], ids: Tensor) -> Float[Tensor, " score"]:
    if net.norm.centred:
        written = written - written.mean(-1, keepdim=True)
    raised = written * net.norm.weight @ net.W_U  # the norm's scale doesn't change the order
    own = raised.gather(-1, ids[:, None])
    above, below = ((raised > own).sum(-1) < TOP), ((raised < own).sum(-1) < TOP)
    return torch.stack([above.float().mean(), below.float().mean()])
