"""Is the word in the middle there, and is it used? Readings of states, and states moved towards another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.atlas.questions import groups, positions, states, type_ids
from helpers.components.lens import lens_logits
from helpers.models.network import read_network
from helpers.models.predict import first_token
from helpers.models.run import patch_residual, random_vector, stop_names
from helpers.statistics import Estimate, bootstrap
from helpers.studies.two_hops_and_reversal.two_hops import donors, hop_questions


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
def percentile_ranks(
    model, asked: pd.DataFrame, words: Mapping[str, Sequence[tuple[int, Tensor]]], place: str = "last"
) -> pd.DataFrame:
    """How far some words stand above the other members of their types, read by the logit lens at each stop.

    Args:
        words: column -> for each question, a word and the members of its type (token ids).
        place: the last position, or the subject's last token.

    Returns:
        Columns ``question`` (its place in the table), ``stop, behind``, and the `percentile_rank` of each of ``words``.
    """
    net = read_network(model)
    logits = lens_logits(net, states(model, asked, place, net).to(net.W_U.device)).cpu()
    names, tables = stop_names(len(net.layers)), []
    for question in range(len(asked)):
        here, columns = logits[:, question], {"question": question, "stop": range(len(names)), "behind": names}
        for column, own in words.items():
            word, members = own[question]
            columns[column] = percentile_rank(here, torch.tensor(word), members).tolist()
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def bridge_readings(model, asked: pd.DataFrame, place: str = "last") -> pd.DataFrame:
    """`percentile_ranks` of each ``bridge`` and each ``answer``, among all bridges and all answers of the relation.

    Args:
        asked: `chain_questions`, put to the model by `ask`.
    """
    types, bridge, answer = {}, [], []
    for row in asked.itertuples():
        if row.relation not in types:
            names = row.first_hop, row.relation
            types[row.relation] = [type_ids(model.tokenizer, name, row.prompt) for name in names]
        bridges, answers = types[row.relation]
        bridge.append((first_token(model, row.prompt, row.bridge), bridges))
        answer.append((row.first, answers))
    return percentile_ranks(model, asked, {"bridge": bridge, "answer": answer}, place)


def answer_percentiles(model, asked: pd.DataFrame) -> pd.DataFrame:
    """`percentile_ranks` of each right answer (``standing``) among the answers of the same relation and case.

    Answers of one case were shown to the model in the same way, so one half is chance. The last stop is what the model
    says in the end; earlier ones are read by the logit lens.

    Args:
        asked: `reversal_questions`, put to the model by `ask`.
    """
    members = {key: torch.tensor(sorted(set(own["first"]))) for key, own in asked.groupby(["relation", "case"])}
    rows = zip(asked["first"], asked.relation, asked.case, strict=True)
    return percentile_ranks(model, asked, {"standing": [(word, members[name, case]) for word, name, case in rows]})


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
    model, asked: pd.DataFrame, pool: pd.DataFrame, stops: Sequence[int], seed: int, *, control: bool = False
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
    given, places = donors(asked, pool, seed)
    own = asked.iloc[places].reset_index(drop=True)
    here, there = (states(model, hop_questions(table, "first")) for table in (own, given))
    bridges = [first_token(model, *words) for words in zip(own.prompt, given.bridge, strict=True)]
    wanted = {"brought": given["first"].tolist(), "kept": own["first"].tolist(), "bridge": bridges}
    tables = []
    for stop in stops:
        added = there[stop] - here[stop]
        said = add_to_residual(model, own, random_vector(added, seed) if control else added, stop).argmax(-1)
        columns = {name: (said == torch.tensor(ids)).tolist() for name, ids in wanted.items()}
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
    taught, never = (own[own.case == case].reset_index(drop=True) for case in ("taught", "held out"))
    told = taught[taught.bridge.isin(never.bridge)].reset_index(drop=True)
    found = {}
    for kind, pool in {"told": told, "never told": never, "random": told}.items():
        swapped = [
            swap_first_hops(model, taught.head(n), pool, stops, seed, control=kind == "random") for seed in range(draws)
        ]
        found[kind] = pd.concat(swapped).groupby(["question", "stop"], as_index=False).mean()
    return found


def explained_by_bridge(told: Sequence[float], never_told: Sequence[float], control: Sequence[float]) -> Estimate:
    """Of what a told donor brings beyond a random direction: the share that one who knows only the bridge brings.

    Args:
        told, never_told, control: for the same questions, how often the donor's right answer is said.
    """
    values = (torch.tensor(list(column), dtype=torch.float) for column in (told, never_told, control))
    return bootstrap(lambda t, n, c: (n.mean(-1) - c.mean(-1)) / (t.mean(-1) - c.mean(-1)), *values)
