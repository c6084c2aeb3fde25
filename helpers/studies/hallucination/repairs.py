"""Can a wrong answer be repaired? A state from a prompt that works, put into one that fails; parts turned up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.questions import groups, positions, states
from helpers.circuits.graph import Graph
from helpers.models import run
from helpers.models.network import read_network
from helpers.models.run import forward, head_writes

Factors = Mapping[str, float]  # source, such as "a4.h6" or "m5" -> how many times it counts at the last position


def matched_rows(asked: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For each fact that is right in one wording and wrong in another: one failing row, and one that works.

    Returns:
        Failing and working questions, row by row about the same fact; the first of each in the table.
    """
    first = asked.drop_duplicates(["relation", "subject", "right"])
    wrong, right = (first[first.right == value].set_index(["relation", "subject"]) for value in (False, True))
    both = wrong.index[wrong.index.isin(right.index)]
    return tuple(part.loc[both].reset_index()[asked.columns] for part in (wrong, right))


def mismatched_donors(donors: pd.DataFrame) -> pd.DataFrame:
    """The donors, each in the place of another about a different answer: what a patch brings apart from the fact.

    Raises:
        ValueError: if all donors have the same answer.
    """
    answers, n = donors.answer.to_numpy(), len(donors)
    if donors.answer.nunique() == 1:
        raise ValueError("all donors have the same answer, so none is a stranger; take more facts")
    turned = (np.roll(np.arange(n), -shift) for shift in range(1, n))
    first_others = [(answers != answer).argmax() for answer in answers]
    order = next((order for order in turned if (answers[order] != answers).all()), first_others)
    return donors.iloc[order].reset_index(drop=True)


@torch.no_grad()
def patch_residual(
    model, failing: pd.DataFrame, donors: pd.DataFrame, stop: int, place: str = "last"
) -> Float[Tensor, "question d_vocab"]:
    """The logits of failing questions when the residual at one place and stop is the donors'.

    Args:
        failing, donors: questions, row by row; they may differ in length and wording.
        stop: 0 is behind the embedding, 2n+1 behind attention n, 2n+2 behind MLP n.
        place: the last position or the subject's last token, in both.

    Raises:
        ValueError: for an unknown place or a stop that the model doesn't have, or tables of unequal length.
    """
    net = read_network(model)
    if len(failing) != len(donors):
        raise ValueError(f"{len(failing)} failing questions and {len(donors)} donors; give one donor to each")
    net.check_stop(stop)
    given = states(model, donors, place)[stop]
    result = torch.empty(len(failing), net.W_U.shape[1])
    for places, tokens in groups(model, failing):
        at = positions(model, failing.iloc[places], place)
        result[places] = run.patch_residual(net, tokens, stop, at, given[places]).cpu()
    return result


@torch.no_grad()
def scale_components(model, asked: pd.DataFrame, factors: Factors) -> Float[Tensor, "question d_vocab"]:
    """The logits when heads and MLPs write so many times what they compute, at the last position.

    Raises:
        ValueError: for a source that the model doesn't have.
    """
    net = read_network(model)
    unknown = set(factors) - set(Graph.from_model(model).sources[1:])
    if unknown:
        raise ValueError(f"no head or MLP {min(unknown)!r}; they are called a0.h0 and m0")
    result = torch.empty(len(asked), net.W_U.shape[1])
    for places, tokens in groups(model, asked):
        for step in forward(net, net.embed(tokens)):
            n = step.sublayer // 2
            if step.is_mlp:
                step.after[:, -1] += (factors.get(f"m{n}", 1.0) - 1) * step.written[:, -1]
            else:
                more = torch.tensor([factors.get(f"a{n}.h{h}", 1.0) - 1 for h in range(net.n_heads)]).to(step.resid)
                heads = head_writes(step.layer, step.z[:, -1:])[:, :, 0]
                step.after[:, -1] += torch.einsum("h,hbd->bd", more, heads)
        result[places] = net.unembed(step.after[:, -1]).cpu()
    return result
