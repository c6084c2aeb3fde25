"""Is the word in the middle there, and is it used? Readings of states, and states moved towards another one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.questions import groups, positions, states, type_ids
from helpers.components.lens import lens_logits
from helpers.models.network import read_network
from helpers.models.run import patch_residual, random_vector, stop_names
from helpers.statistics import Estimate, bootstrap
from helpers.studies.two_hops_and_reversal.two_hops import bridge_id, donors, hop_questions


def percentile_rank(
    logits: Float[Tensor, "*at d_vocab"], word: Int[Tensor, ""], members: Int[Tensor, " member"]
) -> Float[Tensor, "*at"]:
    """The share of a type's other members that a word is ahead of: 1 is the best, one half is chance.

    Raises:
        ValueError: if the word is the type's only member.
    """
    others = members[members != word]
    if not len(others):
        raise ValueError("the type has no other member to compare with")
    return (logits[..., word, None] > logits[..., others]).float().mean(-1)


@torch.no_grad()
def bridge_readings(model, asked: pd.DataFrame, place: str = "last") -> pd.DataFrame:
    """How far bridge and answer stand above the other members of their types, read by the logit lens at each stop.

    Args:
        asked: `chain_questions`, put to the model by `ask`.
        place: the last position, or the subject's last token.

    Returns:
        Columns ``question, stop, behind, bridge, answer``: `percentile_rank` among all bridges and among all answers.
    """
    net, tokenizer = read_network(model), model.tokenizer
    logits = lens_logits(net, states(model, asked, place, net).to(net.W_U.device)).cpu()
    names, types, rows = stop_names(len(net.layers)), {}, []
    for question, row in enumerate(asked.itertuples()):
        for name in (row.relation, row.first_hop):
            if (row.relation, name) not in types:
                types[row.relation, name] = type_ids(tokenizer, name, row.prompt)
        words = {"bridge": (bridge_id(model, row), row.first_hop), "answer": (row.first, row.relation)}
        found = {
            column: percentile_rank(logits[:, question], torch.tensor(word), types[row.relation, name]).tolist()
            for column, (word, name) in words.items()
        }
        rows.append(pd.DataFrame({"question": question, "stop": range(len(names)), "behind": names, **found}))
    return pd.concat(rows, ignore_index=True)


@torch.no_grad()
def add_to_residual(
    model, asked: pd.DataFrame, added: Float[Tensor, "question d_model"], stop: int, place: str = "last"
) -> Float[Tensor, "question d_vocab"]:
    """The logits when something is added to the residual stream at one place and stop of each question.

    Args:
        stop: 0 is behind the embedding, 2n+1 behind attention n, 2n+2 behind MLP n.

    Raises:
        ValueError: for a stop that the model doesn't have, or another number of questions.
    """
    net = read_network(model)
    if len(added) != len(asked):
        raise ValueError(f"{len(asked)} questions need as many vectors, not {len(added)}")
    result = torch.empty(len(asked), net.W_U.shape[1])
    for places, tokens in groups(model, asked):
        at = positions(model, asked.iloc[places], place)
        result[places] = patch_residual(net, tokens, stop, at, added[places], add=True).cpu()
    return result


@torch.no_grad()
def swap_first_hops(
    model, asked: pd.DataFrame, pool: pd.DataFrame, stops: Sequence[int], *, control: bool = False, seed: int = 0
) -> pd.DataFrame:
    """Move each question towards another bridge, by what the two *first-hop* questions differ in at their ends.

    The donor's own composed answer isn't used anywhere; so a donor who was never told it can bring it only through
    the bridge.

    Args:
        asked, pool: two-step questions that were asked; donors come from the pool, with another bridge and answer.
        control: add random directions of the same lengths instead.

    Returns:
        Columns ``question`` (its place in the table), ``stop, brought`` (the donor's right answer is said), ``bridge``
        (the donor's bridge is said), ``kept`` (the question's own answer is said).
    """
    given, places = donors(asked, pool, same_bridge=False, seed=seed)
    own = asked.iloc[places].reset_index(drop=True)
    here, there = (states(model, hop_questions(table, "first")) for table in (own, given))
    wanted = {"brought": given["first"], "kept": own["first"]}
    wanted["bridge"] = [bridge_id(model, row) for row in own.assign(bridge=given.bridge.to_numpy()).itertuples()]
    tables = []
    for stop in stops:
        added = there[stop] - here[stop]
        said = add_to_residual(model, own, random_vector(added, seed) if control else added, stop).argmax(-1)
        columns = {name: (said == torch.tensor(list(ids))).tolist() for name, ids in wanted.items()}
        tables.append(pd.DataFrame({"question": places, "stop": stop, **columns}))
    return pd.concat(tables, ignore_index=True)


def donor_swaps(
    model, asked: pd.DataFrame, stops: Sequence[int], n: int = 40, draws: int = 3
) -> dict[str, pd.DataFrame]:
    """`swap_first_hops` with three kinds of donor, averaged over several donors for each question.

    Args:
        asked: two-step questions of one relation, put to the model by `ask`.
        n: at most so many taught questions are swapped.
        draws: donors for each of them.

    Returns:
        ``told`` (the donor's composed fact was taught), ``never told`` (held out) and ``random`` (directions of the
        told donors' lengths) -> one row for each question and stop.
    """
    own = asked[asked.wording == 0].reset_index(drop=True)
    taught = own[own.case == "taught"].reset_index(drop=True)
    never = own[own.case == "held out"].reset_index(drop=True)
    told = own[(own.case == "taught") & own.bridge.isin(never.bridge)].reset_index(drop=True)
    found = {}
    for kind, pool in {"told": told, "never told": never, "random": told}.items():
        control = kind == "random"
        drawn = [
            swap_first_hops(model, taught.head(n), pool, stops, control=control, seed=seed) for seed in range(draws)
        ]
        found[kind] = pd.concat(drawn).groupby(["question", "stop"], as_index=False).mean()
    return found


def explained_by_bridge(told: Sequence[float], never_told: Sequence[float], control: Sequence[float]) -> Estimate:
    """Of what a told donor brings beyond a random direction: the share that one who knows only the bridge brings.

    Args:
        told, never_told, control: for the same questions, how often the donor's right answer is said.
    """
    values = (torch.tensor(list(column), dtype=torch.float) for column in (told, never_told, control))
    return bootstrap(lambda t, n, c: (n.mean(-1) - c.mean(-1)) / (t.mean(-1) - c.mean(-1)), *values)
