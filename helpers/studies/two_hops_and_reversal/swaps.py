"""Is the bridge used? A state that knows another bridge, put into a question of two steps, at each stop."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.models.network import Network, read_network
from helpers.models.predict import first_token, prompt_ids, token_span
from helpers.models.run import random_vector, residuals, resume, run_past

Place = Literal["description", "end"]
PLACES: tuple[Place, ...] = get_args(Place)
BATCH, SOME = 32, 4  # questions at a time; of one bridge at most


def position(tokenizer, prompt: str, part: str | None) -> int:
    """Where a prompt's part ends, or the prompt itself."""
    return token_span(tokenizer, prompt, part).stop - 1 if part else len(prompt_ids(tokenizer, prompt)) - 1


Runs = dict[str, Float[Tensor, "stop _ d"]]  # the residual stream of prompts that were run before


@torch.no_grad()
def states_at(
    net: Network, tokenizer, prompts: Sequence[str], parts: Sequence[str | None], runs: Runs | None = None
) -> Float[Tensor, "stop row d"]:
    """The residual stream of each prompt at all stops, where its part ends.

    Args:
        runs: prompts that needn't be run again; those that are run are put there.
    """
    runs, groups = {} if runs is None else runs, defaultdict(list)
    for prompt in dict.fromkeys(prompts):
        if prompt not in runs:
            ids = prompt_ids(tokenizer, prompt)
            groups[len(ids)].append((prompt, ids))
    for rows in groups.values():
        for start in range(0, len(rows), BATCH):
            names, ids = zip(*rows[start : start + BATCH], strict=True)
            runs.update(zip(names, residuals(net, torch.tensor(ids)).unbind(1), strict=True))
    pairs = zip(prompts, parts, strict=True)
    return torch.stack([runs[prompt][:, position(tokenizer, prompt, part)] for prompt, part in pairs], 1)


@torch.no_grad()
def swapped(
    net: Network,
    tokenizer,
    prompts: Sequence[str],
    parts: Sequence[str | None],
    added: Float[Tensor, "all_stops row d"],
    stops: Sequence[int],
) -> Int[Tensor, "stop row"]:
    """The likeliest next token when something is added to the residual stream at one stop, where the part ends."""
    groups, said = defaultdict(list), torch.empty(len(stops), len(prompts), dtype=torch.long)
    for n, (prompt, part) in enumerate(zip(prompts, parts, strict=True)):
        ids = tuple(prompt_ids(tokenizer, prompt))
        groups[len(ids), position(tokenizer, prompt, part)].append((n, ids))
    for (_, at), rows in groups.items():
        for start in range(0, len(rows), BATCH):
            places = [n for n, _ in rows[start : start + BATCH]]
            distinct = list(dict.fromkeys(ids for _, ids in rows[start : start + BATCH]))
            which = torch.tensor([distinct.index(ids) for _, ids in rows[start : start + BATCH]])
            tokens = torch.tensor(distinct)
            run, past = residuals(net, tokens)[:, :, at:], run_past(net, tokens[:, :at])
            past = past and tuple(tuple(t if len(t) == 1 else t[which] for t in layer) for layer in past)
            for m, stop in enumerate(stops):
                resid = run[stop][which]
                resid[:, 0] += added[stop, places]
                said[m, places] = resume(net, resid, stop, past).argmax(-1)
    return said


def part_of(table: pd.DataFrame, place: Place) -> list[str | None]:
    """The part of each prompt that ends at a place: its description of the bridge, or all of it (``None``).

    Raises:
        ValueError: for an unknown place.
    """
    if place not in PLACES:
        raise ValueError(f"unknown place {place!r}; choose {' or '.join(PLACES)}")
    return table.description.tolist() if place == "description" else [None] * len(table)


def place_of(table: pd.DataFrame, place: Place) -> tuple[list[str], list[str | None]]:
    """The prompts whose states are taken at a place, and the part of each that ends there."""
    parts = part_of(table, place)
    return table[f"at_{place}"].tolist(), parts


def donors(
    hosts: pd.DataFrame, pool: pd.DataFrame, seed: int, same_bridge: bool = False
) -> tuple[pd.DataFrame, list[int]]:
    """For each question one of the same kind about another subject, with another bridge and another answer.

    Args:
        same_bridge: with the same bridge instead.

    Returns:
        The donors, and the places of the hosts that have one, row by row.
    """
    rng, chosen, places = random.Random(seed), [], []
    kinds = dict(tuple(pool.groupby("kind")))
    for place, row in enumerate(hosts.itertuples()):
        own = kinds.get(row.kind, pool[:0])
        fits = (own.bridge == row.bridge) if same_bridge else (own.bridge != row.bridge) & (own.answer != row.answer)
        fits &= own.subject != row.subject
        if fits.any():
            chosen.append(rng.choice(list(own.index[fits])))
            places.append(place)
    return pool.loc[chosen].reset_index(drop=True), places


def difference(
    model,
    hosts: pd.DataFrame,
    given: pd.DataFrame,
    place: Place,
    *,
    named: bool = False,
    control: int | None = None,
    runs: Runs | None = None,
) -> Float[Tensor, "stop row d"]:
    """What a donor's state has at a place and the host's hasn't, both in a prompt that doesn't ask this question.

    Args:
        hosts, given: questions and their donors, row by row (`questions`).
        named: the state of the donor's bridge, named, instead of described.
        control: a seed; random directions of the same lengths instead.
        runs: as in `states_at`.
    """
    net, tokenizer = read_network(model), model.tokenizer
    own, wanted = (place_of(table, place) for table in (hosts, given))
    if named:
        wanted = given.named_prompt.tolist(), given.named.tolist()
    runs = {} if runs is None else runs
    added = states_at(net, tokenizer, *wanted, runs) - states_at(net, tokenizer, *own, runs)
    return added if control is None else random_vector(added, control)


def said_after(
    model,
    hosts: pd.DataFrame,
    given: pd.DataFrame,
    place: Place,
    added: Float[Tensor, "all_stops row d"],
    stops: Sequence[int],
) -> pd.DataFrame:
    """What is said when something of a donor is added to each question at one place and stop.

    Returns:
        Columns ``row`` (its place among the hosts), ``stop``, and whether what is said is the donor's right answer to
        this question (``brought``), its answer to the other one (``other``), or the question's own answer (``kept``).
    """
    parts = part_of(hosts, place)
    said = swapped(read_network(model), model.tokenizer, hosts.prompt.tolist(), parts, added, stops)
    targets = {"brought": given.answer, "other": given.other_answer, "kept": hosts.answer}
    columns = {}
    for name, words in targets.items():
        ids = torch.tensor([first_token(model, *pair) for pair in zip(hosts.prompt, words, strict=True)])
        columns[name] = (said == ids).flatten().tolist()
    rows = {"row": list(range(len(hosts))) * len(stops), "stop": [s for s in stops for _ in range(len(hosts))]}
    return pd.DataFrame({**rows, **columns})


def shared_difference(
    model, hosts: pd.DataFrame, given: pd.DataFrame, table: pd.DataFrame, place: Place, runs: Runs | None = None
) -> tuple[Float[Tensor, "stop row d"], list[int]]:
    """What other subjects with the donor's bridge have in common, and those with the host's bridge haven't.

    Means over some questions of ``table`` with either bridge: a single subject's peculiarities average out.

    Returns:
        The differences, and the places of the hosts for which both bridges have two subjects at least.
    """
    needed = {*hosts.bridge, *given.bridge}
    table = table[table.bridge.isin(needed)].groupby("bridge").head(SOME).reset_index(drop=True)
    where = {bridge: list(rows) for bridge, rows in table.groupby("bridge").groups.items() if len(rows) > 1}
    states = states_at(read_network(model), model.tokenizer, *place_of(table, place), runs)
    means = {bridge: states[:, rows].mean(1) for bridge, rows in where.items()}
    pairs = list(zip(hosts.bridge, given.bridge, strict=True))
    places = [n for n, pair in enumerate(pairs) if set(pair) <= set(means)]
    return torch.stack([means[pairs[n][1]] - means[pairs[n][0]] for n in places], 1), places
