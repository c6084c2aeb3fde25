"""Which heads relations share: what each head's loss costs, in SmolLM2 and in Atlas.

``make tables NAME=shared`` writes the table ``shared_heads``; SmolLM2's heads are in ``smollm2_heads``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.checks import Count, Seed, Share, checked
from helpers.circuits.metrics import logit_diff
from helpers.models.network import Network, read_network
from helpers.models.run import LayerRun, resume, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.studies.asked_relations import REAL_MODEL
from helpers.studies.tables import Load, Write, read_table
from helpers.studies.what_relations_share.circuits import all_asked

SEEDS = ("atlas2", "atlas2-seed1")
COSTS = 0.05  # of the logit difference: a head of a relation costs at least that


@torch.no_grad()
def cut_logits(
    net: Network,
    run: LayerRun,
    layer: int,
    ablated: Float[Tensor, "head _ pos d_model"],
) -> Float[Tensor, "head batch d_vocab"]:
    """The logits at the last position when all outgoing edges of one head of a layer are cut, for each head alone.

    The same as `run_circuit` without these edges: every reader after the head misses the same difference, so it can
    be taken out of the residual stream at once.

    Args:
        ablated: what the heads write instead, for each pair or for all.
    """
    changed = run.after - run.written + ablated
    return resume(net, changed.flatten(0, 1), 2 * layer + 1).unflatten(0, changed.shape[:2])


@torch.no_grad()
def head_costs(model, pairs: PromptPairs) -> dict[str, float]:
    """The share of the logit difference that is lost when all outgoing edges of one head are cut (corrupt ablation).

    The same as `run_circuit` without these edges, in one run for each layer and not for each head.
    """
    net, lost, whole = read_network(model), defaultdict(float), 0.0
    for _, group in pairs.groups():
        (runs, _), (other, _) = (run_layers(net, tokens) for tokens in (group.clean_tokens, group.corrupt_tokens))
        full = logit_diff(group.clean_logits(model), group).sum().item()
        whole += full
        for layer, (run, corrupt) in enumerate(zip(runs, other, strict=True)):
            for head, logits in enumerate(cut_logits(net, run, layer, corrupt.written)):
                lost[f"a{layer}.h{head}"] += full - logit_diff(logits, group).sum().item()
    return {head: value / whole for head, value in lost.items()}


def costs(name: str) -> pd.DataFrame:
    """What the loss of each head (columns) costs each relation (rows), as a share of its logit difference."""
    if name == REAL_MODEL:
        table = read_table("smollm2_heads")
        table["cost"] = table.effect / table.model_diff
    else:
        table = read_table("shared_heads").query("model == @name")
    wide = table.pivot(index="relation", columns="head", values="cost")
    return wide.loc[list(dict.fromkeys(table.relation)), list(dict.fromkeys(table["head"]))]


def used_heads(costs: pd.DataFrame, least: Share = COSTS) -> pd.DataFrame:
    """True where the loss of a head costs a relation at least a share; relations without such a head are left out."""
    used = costs >= least
    return used[used.any(axis=1)]


def _jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    both = one.astype(float) @ other.astype(float).T
    return both / (one.sum(1)[:, None] + other.sum(1)[None] - both)


@checked
def shared_heads(used: pd.DataFrame, draws: Count = 200, seed: Seed = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The Jaccard overlap of two relations' heads, and what chance gives: one of them with its heads dealt anew.

    Dealt within each layer, so that a relation keeps how many heads it has there: late layers have more of them,
    whatever they do.

    Args:
        used: as `used_heads` gives it.

    Raises:
        ValueError: for a relation without heads: two empty sets would be called equal.
    """
    if not used.any(axis=1).all():
        raise ValueError(f"{used.index[~used.any(axis=1)][0]} has no heads; leave it out (used_heads)")
    layers = np.array([head.split(".")[0] for head in used.columns])
    own, chance = used.to_numpy(), 0
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        dealt = own.copy()
        for layer in dict.fromkeys(layers):
            dealt[:, layers == layer] = rng.permuted(own[:, layers == layer], axis=1)
        drawn = _jaccard(own, dealt)
        chance = chance + (drawn + drawn.T) / (2 * draws)
    names = list(used.index)
    return tuple(pd.DataFrame(table, names, names) for table in (_jaccard(own, own), chance))


@checked
def family_head(costs: pd.DataFrame, family: Sequence[str], shuffles: Count = 2000, seed: Seed = 0) -> dict:
    """The head that a family of relations has more to lose by than the others have.

    Returns:
        ``head``; ``family, others``, its mean cost in both; and ``p``, the share of shuffles of the relations in which
        *some* head tells the family from the rest as well (so that choosing the best of all isn't rewarded).

    Raises:
        ValueError: if the family is empty, or all of the relations.
    """
    inside = np.isin(costs.index, list(family))
    if inside.all() or not inside.any():
        raise ValueError("the family has to be some of the relations, not all and not none")
    values = costs.to_numpy()

    def gaps(inside: np.ndarray) -> np.ndarray:
        return values[inside].mean(0) - values[~inside].mean(0)

    real, rng = gaps(inside), np.random.default_rng(seed)
    best = [gaps(rng.permutation(inside)).max() for _ in range(shuffles)]
    place = int(real.argmax())
    means = dict(family=values[inside, place].mean(), others=values[~inside, place].mean())
    return dict(head=costs.columns[place], **means, p=(1 + sum(b >= real[place] for b in best)) / (1 + shuffles))


def write_tables(load: Load, write: Write) -> None:
    """Cut each head of Atlas alone, in all relations."""
    rows = []
    for name in SEEDS:
        model = load(name)
        for asked in all_asked(model, name):
            rows += [(name, asked.name, head, cost) for head, cost in head_costs(model, asked.train).items()]
    write("shared_heads", pd.DataFrame(rows, columns=["model", "relation", "head", "cost"]))
