"""The tables of the chapter on two steps: what is asked and answered, and what swapped states bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.models.network import read_network
from helpers.statistics import with_interval
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.two_hops_and_reversal.questions import CIRCLES, asked, group_of, questions
from helpers.studies.two_hops_and_reversal.readings import WORDS, reading_rows
from helpers.studies.two_hops_and_reversal.reversal import reversal_rows
from helpers.studies.two_hops_and_reversal.swaps import Place, Runs, difference, donors, said_after, shared_difference

REAL = "smollm2"
ATLASES = ("atlas2", "atlas2-seed1")
SAMPLE = 320  # told compositions of the circle that are asked
HOSTS = {REAL: 7, **dict.fromkeys(ATLASES, 20), **dict.fromkeys(CIRCLES, 4)}  # of each kind at most
DRAWS = {REAL: 1, **dict.fromkeys((*ATLASES, *CIRCLES), 3)}  # donors of each kind for a question
READ = {REAL: 12, **dict.fromkeys(ATLASES, 15), **dict.fromkeys(CIRCLES, 8)}  # questions of each kind that are read
STEP = {REAL: 3}  # every third layer
KEPT = ["kind", "subject", "bridge", "answer", "case", "said", "first", "right", "first_right", "second_right"]


def all_asked(model, name: str) -> pd.DataFrame:
    """The questions of two steps, asked; of the circle all that were held out and some that were told."""
    table = questions(name)
    if name in CIRCLES:
        told = table[table.case == "told"].sample(SAMPLE, random_state=0)
        table = pd.concat([table[table.case == "held out"], told])
    return asked(model, table)


def pools(name: str, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The questions that hosts and donors are drawn from.

    In SmolLM2, where nobody knows what was told, ``told`` are those that it answers and ``never told`` those that it
    doesn't although it knows the bridge.
    """
    told = table[table.right] if name == REAL else table[table.right & (table.case == "told")]
    never = table[~table.right & table.first_right] if name == REAL else table[table.case == "held out"]
    return {"told": told, "never told": never, "same bridge": table[table.right], "named": table, "random": told}


def hosts_of(table: pd.DataFrame, most: int, seed: int = 0) -> pd.DataFrame:
    """Questions of each kind, at most so many, with as many bridges as possible."""
    mixed = table.sample(frac=1, random_state=seed)
    turn = mixed.groupby(["kind", "bridge"]).cumcount()
    return mixed.loc[turn.sort_values(kind="stable").index].groupby("kind").head(most).reset_index(drop=True)


def layer_stops(name: str, n_layers: int) -> list[int]:
    """The stops behind the MLPs of the layers that are swapped, and behind the embedding."""
    layers = range(0, n_layers, STEP.get(name, 1))
    return [*([] if name == REAL else [0]), *(2 * n + 2 for n in layers)]


def swap_rows(model, name: str, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What donors of each kind bring at each place; ``layer`` is -1 behind the embedding."""
    stops, own = layer_stops(name, len(read_network(model).layers)), pools(name, table)
    hosts = hosts_of(own["told"], HOSTS[name])
    runs: Runs = {}
    places: dict[Place, Sequence[str]] = {"description": list(own), "end": ["told", "never told", "random"]}
    for place, kinds in places.items():
        rows, given, added = [], [], []
        for donor, draw in product(kinds, range(DRAWS[name])):
            some, found = donors(hosts, own[donor].reset_index(drop=True), draw, donor == "same bridge")
            control = draw if donor == "random" else None
            here = hosts.iloc[found].reset_index(drop=True)
            options = dict(named=donor == "named", control=control, runs=runs)
            added.append(difference(model, here, some, place, **options))
            rows.append(here.assign(donor=donor))
            given.append(some)
        if name == REAL and place == "description":
            for here, some, shared in shared_rows(model, hosts, own["told"], table, runs):
                rows.append(here.assign(donor="shared"))
                given.append(some)
                added.append(shared)
        rows, given = (pd.concat(parts, ignore_index=True) for parts in (rows, given))
        found = said_after(model, rows, given, place, torch.cat(added, 1), stops)
        yield _tidy(found, rows, name, place)


def shared_rows(
    model, hosts: pd.DataFrame, told: pd.DataFrame, table: pd.DataFrame, runs: Runs
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, Float[Tensor, "stop row d"]]]:
    """What companies of two countries differ in, for questions about landmarks, and the other way round."""
    given, rows = donors(hosts, told.reset_index(drop=True), 0)
    hosts = hosts.iloc[rows].reset_index(drop=True)
    for kind in sorted(hosts.kind.unique()):
        others = table[(table.kind != kind) & table.kind.str.endswith(kind.split(": ")[1])]
        here, some = (t[hosts.kind == kind].reset_index(drop=True) for t in (hosts, given))
        added, places = shared_difference(model, here, some, others, "description", runs)
        yield *(t.iloc[places].reset_index(drop=True) for t in (here, some)), added


def _tidy(found: pd.DataFrame, rows: pd.DataFrame, model: str, place: str) -> pd.DataFrame:
    about = rows.loc[found.row, ["donor", "kind", "subject"]].reset_index(drop=True)
    layer = (found.stop // 2 - 1).rename("layer")
    table = pd.concat([about, layer, found[["brought", "other", "kept"]]], axis=1)
    keys = ["donor", "kind", "subject", "layer"]
    return table.groupby(keys, as_index=False, sort=False).mean().assign(model=model, place=place)


def read_means(found: pd.DataFrame) -> pd.DataFrame:
    """Readings of a place, averaged over the questions of each layer, case and outcome, with intervals."""
    keys, rows = ["model", "place", "layer", "group", "case", "right"], []
    group = found.kind.map(lambda kind: group_of(found.model.iloc[0], kind))
    for key, own in found.assign(group=group).groupby(keys):
        for word in WORDS:
            value, low, high = with_interval(own[word].tolist()).row()
            about = dict(zip(keys, key, strict=True))
            rows.append(about | {"word": word, "value": value, "low": low, "high": high, "n": len(own)})
    return pd.DataFrame(rows)


def write_tables(load: Load, write: Write) -> None:
    """Ask and swap in Atlas, the circle and SmolLM2; each part is written when it is done."""
    models = {name: load(name) for name in (*ATLASES, *CIRCLES, REAL)}
    tables = {}

    def ask_all() -> Iterator[pd.DataFrame]:
        for name, model in models.items():
            tables[name] = all_asked(model, name)
            yield tables[name][KEPT].assign(model=name)

    write_parts(write, "hops_asked", ask_all())
    write("reversals", reversal_rows(models[REAL]))
    read = (
        part
        for name, model in models.items()
        for part in reading_rows(
            model, name, tables[name], layer_stops(name, len(read_network(model).layers)), READ[name]
        )
    )
    write_parts(write, "hops_reads", map(read_means, read))
    swapped = (part for name, model in models.items() for part in swap_rows(model, name, tables[name]))
    write_parts(write, "hops_swaps", swapped)
