"""The tables of the chapter on two steps: what is asked and answered, and what swapped states bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.models.network import read_network
from helpers.statistics import with_interval
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.two_hops_and_reversal.questions import CIRCLES, asked, group_of, questions
from helpers.studies.two_hops_and_reversal.readings import WORDS, reading_rows
from helpers.studies.two_hops_and_reversal.reversal import reversal_rows
from helpers.studies.two_hops_and_reversal.swaps import Place, donors, said_after, shared_difference, swap

REAL = "smollm2"
ATLASES = ("atlas2", "atlas2-seed1")
SAMPLE = 320  # told compositions of the circle that are asked
HOSTS = {REAL: 16, **dict.fromkeys(ATLASES, 20), **dict.fromkeys(CIRCLES, 4)}  # of each kind at most
DRAWS = {REAL: 1, **dict.fromkeys((*ATLASES, *CIRCLES), 3)}  # donors of each kind for a question
READ = {REAL: 25, **dict.fromkeys(ATLASES, 15), **dict.fromkeys(CIRCLES, 8)}  # questions of each kind that are read
STEP = {REAL: 2}  # every second layer
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
    places: dict[Place, Sequence[str]] = {"description": list(own), "end": ["told", "never told", "random"]}
    for place, kinds in places.items():
        for donor in kinds:
            parts = []
            for draw in range(DRAWS[name]):
                given, rows = donors(hosts, own[donor].reset_index(drop=True), draw, donor == "same bridge")
                some = hosts.iloc[rows].reset_index(drop=True)
                control = draw if donor == "random" else None
                found = swap(model, some, given, place, stops, named=donor == "named", control=control)
                parts.append(found.assign(host=found.host.map(dict(enumerate(rows)))))
            yield _tidy(pd.concat(parts), hosts, name, place, donor)
    if name == REAL:
        yield from shared_rows(model, hosts, own["told"], table, stops)


def shared_rows(model, hosts, told, table, stops) -> Iterator[pd.DataFrame]:
    """What companies of two countries differ in, added to questions about landmarks, and the other way round."""
    given, rows = donors(hosts, told.reset_index(drop=True), 0)
    hosts = hosts.iloc[rows].reset_index(drop=True)
    first, second = (hosts.kind.str.split(": ").str[n] for n in (0, 1))
    for kind in sorted(hosts.kind.unique()):
        others = table[(table.kind != kind) & table.kind.str.endswith(kind.split(": ")[1])]
        of_kind = (first + ": " + second) == kind
        some, theirs = (t[of_kind].reset_index(drop=True) for t in (hosts, given))
        added, places = shared_difference(model, some, theirs, others, "description")
        some, theirs = (t.iloc[places].reset_index(drop=True) for t in (some, theirs))
        yield _tidy(said_after(model, some, theirs, "description", added, stops), some, REAL, "description", "shared")


def _tidy(found: pd.DataFrame, hosts: pd.DataFrame, model: str, place: str, donor: str) -> pd.DataFrame:
    found = found.groupby(["host", "stop"], as_index=False).mean()
    about = hosts.loc[found.host, ["kind", "subject"]].reset_index(drop=True)
    front = pd.DataFrame({"model": model, "place": place, "donor": donor}, index=found.index)
    layer = (found.stop // 2 - 1).rename("layer")
    return pd.concat([front, about, layer, found[["brought", "other", "kept"]]], axis=1)


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
